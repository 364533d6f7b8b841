"""Where a stand-in is known to differ from API Gateway: who is right, and why. Anything else fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

CALLS, COMMANDS, DRIFT = "Single calls", "Commands", "Drift"
DOMAIN_DRIFT = "Drift of the custom domain"
_MODEL = "the service model of botocore"
_RESIDUE = "+ Would create deployment production (the stage serves no deployment)"
"""What MiniStack's deployments leave to do for ever."""


@dataclass(frozen=True)
class Why:
    """The reason of a difference, and how well it is known."""

    text: str
    confidence: str
    """H: AWS's guide or model says so. M: projects that test on AWS. L: reports. INF: inferred."""
    right: str = "this package"


@dataclass(frozen=True)
class Known:
    """One difference, in one or several cases."""

    target: str
    part: str
    cases: tuple[str, ...]
    """Names of cases, or patterns with `*`."""
    seen: str
    """A part of what is seen; another difference of the same case is not known."""
    why: Why


def _of(target: str, part: str) -> Callable[[str | tuple[str, ...], str, Why], Known]:
    def known(cases: str | tuple[str, ...], seen: str, why: Why) -> Known:
        return Known(target, part, (cases,) if isinstance(cases, str) else cases, seen, why)

    return known


_MERGES = Why(
    "the Terraform provider, whose tests run on AWS, removes a parameter or variable by an empty value and "
    "sends no other, so AWS must merge; here all of them are replaced, or the empty value is kept",
    "M",
)
_MERGES_EMPTY = Why("the Terraform provider relies on it; here the empty value is kept", "M")
_REPLACES = Why(
    "UpdateStage is a PATCH, so what is not sent should stay; here it is lost. Plans are right under both: "
    "this package sends every setting that it wants",
    "INF",
)
_EXISTS = Why(f"{_MODEL} has ConflictException for a resource that exists; here it is made twice", "H")
_USED = Why("AWS refuses to delete the integration of a route, as its error texts in public reports say", "M")
_IN_USE = Why("AWS refuses to delete what a mapping leads to: its error text says to remove it first", "M")
_PAGES = Why(f"MaxResults and NextToken are in {_MODEL}; here everything is sent", "H")
_ADDRESS_TYPE = Why(f"IpAddressType of an API is in {_MODEL} and in AWS's guide; here it is dropped", "H")
_PASSTHROUGH = Why(f"PassthroughBehavior is in {_MODEL}; here it is dropped", "H")
_DEFAULTS = Why("AWS's guide names the throttling of a new stage (10000, burst 5000); here it is absent", "H")
_DEPLOYS = Why(
    "in LocalStack's tests, which were run on AWS, CreateDeployment with a StageName lets that stage serve "
    "it; here the stage serves nothing",
    "M",
)
_NO_STAGE = Why(
    f"{_MODEL} has NotFoundException, and nothing says that AWS makes the stage; the package never asks it",
    "INF",
    right="not known",
)
_TAGS = Why(f"Tags are in the answers of {_MODEL}; here TagResource does not change what Get answers", "H")
_STAGE_TAGS = Why(f"{_MODEL} takes the ARN of a stage for TagResource; here only an API has tags", "H")
_ABSENT = Why(f"the operation is in {_MODEL}; here it is not implemented", "H")
_CONNECT_ONLY = Why("AWS's guide: authorization is evaluated at $connect only; MiniStack refuses it too", "H")
_LOST = Why(f"the operation is in {_MODEL}; here it is missing, and the stage or route is deleted", "H")
_DESCRIPTION = Why(
    "two public projects report that AWS ignores it, it has not been shown; plans are right under both",
    "L",
    right="not known",
)

_call, _command = _of("moto", CALLS), _of("moto", COMMANDS)
_MOTO = (
    _call("API updated", "ip_address_type: 'dualstack' -> 'ipv4'", _ADDRESS_TYPE),
    _call("UpdateIntegration merges*", "c='3'", _MERGES),
    _call("integration of a route deleted", "done", _USED),
    _call(("a second route of a key", "a second stage*"), "done", _EXISTS),
    _call("authorization of a route*", "done", _CONNECT_ONLY),
    _call("a page of two", "3 items, no more", _PAGES),
    _call("defaults of a stage", "ThrottlingRateLimit None", _DEFAULTS),
    _call("route response", "GetRouteResponses: AWS answered 500", _ABSENT),
    _call(
        ("UpdateStage merges*", "an empty stage description", "settings of one route"),
        "UpdateStage operation",
        _ABSENT,
    ),
    _call("stage's tags", "TagResource: AWS answered 404", _STAGE_TAGS),
    _call("deployment of a stage", "CreateDeployment: AWS answered 404", _ABSENT),
    _call("deployment of a stage that is missing", "404", _ABSENT),
    _call("* of a mapping deleted", "done", _IN_USE),
    _command("create_gateway*", "CreateDeployment: AWS answered 404", _ABSENT),
)
_call, _command = _of("ministack", CALLS), _of("ministack", COMMANDS)
_MINISTACK = (
    _call("API's tags", "{'team': 'web'}", _TAGS),
    _call("stage's tags", "{'team': 'web', 'cost': '7'}", _TAGS),
    _call("API updated", "ip_address_type: 'dualstack' -> 'ipv4'", _ADDRESS_TYPE),
    _call("UpdateIntegration merges*", "b= c='3'", _MERGES),
    _call("UpdateStage merges variables*", "{'b': '', 'c': '3'}", _MERGES),
    _call("UpdateStage merges the route settings", "burst None", _REPLACES),
    _call("integration of a route deleted", "done", _USED),
    _call(("a second route of a key", "a second stage*"), "done", _EXISTS),
    _call("a page of two", "3 items, no more", _PAGES),
    _call("defaults of a stage", "ThrottlingRateLimit None", _DEFAULTS),
    _call(("required parameter removed", "settings of one route"), "NotFoundException", _LOST),
    _call("an empty stage description", "''", _DESCRIPTION),
    _call("deployment of a stage", "not served", _DEPLOYS),
    _call("deployment of a stage that is missing", "done", _NO_STAGE),
    _call("* of a mapping deleted", "done", _IN_USE),
    _command("sync_routes --check*", f"['{_RESIDUE}']", _DEPLOYS),
)
_drift, _domain = _of("ministack", DRIFT), _of("ministack", DOMAIN_DRIFT)
_MINISTACK_DRIFT = (
    _drift(("dual-stack", "dual-stack taken back"), "not found: [", _ADDRESS_TYPE),
    _drift(("tag changed", "tag removed", "tag of the settings", "*mark removed"), "not found: []", _TAGS),
    _drift(("stage's tag", "memory*removed"), "not found: []", _TAGS),
    _drift(("tag gone from the row", "*taken back", "stage made by hand"), " tags[", _TAGS),
    _drift("earlier stage", "Unwanted stage v0 (not ours", _TAGS),
    _drift("passthrough", "not found: []", _PASSTHROUGH),
    _drift(("mapping added", "query string mapped"), '"" -> null', _MERGES_EMPTY),
    _drift("stage not mapped", "request_parameters[integration.request.header.connectionId]: ", _MERGES),
    _drift("targets swapped", "update integration $default (an attribute differs)']", _MERGES_EMPTY),
    _drift("variable added", '"" -> null', _MERGES_EMPTY),
    _drift(("variable removed", "every variable removed"), 'stage_variables[size]: "" -> "1"', _MERGES),
    _drift("required parameter", "create route $connect (missing", _LOST),
    _drift(("access log off", "one route's settings"), "create stage production (", _LOST),
    _drift(("deployed by hand", "change deployed and undone"), "not found: []", _DEPLOYS),
    _drift("older deployment", "KeyError('DeploymentId')", _DEPLOYS),
    _drift("*", f"not gone: ['{_RESIDUE}']", _DEPLOYS),
    _domain("IPv6 record missing", 'ip_address_type: "ipv4" -> "dualstack"', _ADDRESS_TYPE),
    _domain(("tag gone from the row of a domain", "dual-stack domain taken back"), " tags[", _TAGS),
)
KNOWN: tuple[Known, ...] = (*_MOTO, *_MINISTACK, *_MINISTACK_DRIFT)


def find_known(target: str, part: str, case: str, seen: str) -> Known | None:
    """The known difference that explains what was seen; None if there is none."""
    return next((item for item in KNOWN if _explains(item, target, part, case, seen)), None)


def _explains(item: Known, target: str, part: str, case: str, seen: str) -> bool:
    named = any(fnmatchcase(case, pattern.replace("[", "[[]")) for pattern in item.cases)
    return (item.target, item.part) == (target, part) and named and item.seen in seen
