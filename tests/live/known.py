"""Where a stand-in is known to differ from API Gateway: who is right, and why. Anything else fails."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

CALLS, COMMANDS, DRIFT = "Single calls", "Commands", "Drift"
DOMAIN_DRIFT = "Drift of the custom domain"
_MODEL = "the service model of botocore"


@dataclass(frozen=True)
class Known:
    """One difference, in one or several cases."""

    target: str
    part: str
    cases: tuple[str, ...]
    """Names of cases, or patterns with `*`."""
    seen: str
    """A part of what is seen; another difference of the same case is not known."""
    why: str
    right: str = "this package"


def _moto(cases: str | tuple[str, ...], seen: str, why: str, part: str = CALLS) -> Known:
    return Known("moto", part, (cases,) if isinstance(cases, str) else cases, seen, why)


def _ministack(cases: str | tuple[str, ...], seen: str, why: str, part: str = CALLS) -> Known:
    return Known("ministack", part, (cases,) if isinstance(cases, str) else cases, seen, why)


_MERGES = (
    "the Terraform provider, whose tests run on AWS, removes a parameter or variable by an empty value and "
    "sends no other: that needs a merge"
)
_CONFLICT = "AWS documents ConflictException for a resource that exists already, or that another one uses"
_IN_USE = "AWS refuses to delete what a mapping of a custom domain leads to"
_PAGES = f"MaxResults and NextToken are in {_MODEL}; it sends everything"
_ADDRESS_TYPE = f"IpAddressType is in {_MODEL} and in AWS's guide; it is dropped"
_DEFAULTS = "AWS's guide names the throttling of a new stage (10000, burst 5000); it reports none"
_DEPLOYS = f"by {_MODEL}, CreateDeployment with a StageName lets that stage serve it; it does not"
_STAGE_TAGS = (
    "AWS reports the tags that TagResource set; it keeps them apart from the resource that it reports"
)
_NO_DEPLOYMENT = "it does not implement CreateDeployment"
_REPLACES = "AWS updates what is sent; it replaces everything"
_LOST_STAGE = "AWS deletes the settings; it has no such operation, and deletes the stage or route instead"

_MOTO = (
    _moto("API updated", "ip_address_type: 'dualstack' -> 'ipv4'", _ADDRESS_TYPE),
    _moto("UpdateIntegration merges*", "c='3'", _MERGES),
    _moto(
        ("integration of a route deleted", "a second route of a key", "a second stage*"), "done", _CONFLICT
    ),
    _moto("authorization of a route*", "done", "MiniStack and AWS's guide restrict it to $connect"),
    _moto("a page of two", "3 items, no more", _PAGES),
    _moto("defaults of a stage", "ThrottlingRateLimit None", _DEFAULTS),
    _moto("route response", "GetRouteResponses: AWS answered 500", "it does not implement GetRouteResponses"),
    _moto(
        ("UpdateStage merges*", "an empty stage description", "settings of one route"),
        "UpdateStage operation",
        "it does not implement UpdateStage",
    ),
    _moto("stage's tags", "TagResource: AWS answered 404", "it tags APIs, and no stages"),
    _moto(
        "deployment of a stage",
        "CreateDeployment: AWS answered 404",
        _NO_DEPLOYMENT,
    ),
    _moto("deployment of a stage that is missing", "404", _NO_DEPLOYMENT),
    _moto("* of a mapping deleted", "done", _IN_USE),
    _moto(
        "create_gateway",
        "CreateDeployment: AWS answered 404",
        _NO_DEPLOYMENT,
        COMMANDS,
    ),
)
_MINISTACK = (
    _ministack("API's tags", "{'team': 'web'}", _STAGE_TAGS),
    _ministack("stage's tags", "{'team': 'web', 'cost': '7'}", _STAGE_TAGS),
    _ministack("API updated", "ip_address_type: 'dualstack' -> 'ipv4'", _ADDRESS_TYPE),
    _ministack("UpdateIntegration merges*", "b= c='3'", _MERGES),
    _ministack("UpdateStage merges variables*", "{'b': '', 'c': '3'}", _MERGES),
    _ministack("UpdateStage merges the route settings", "burst None", _REPLACES),
    _ministack(
        ("integration of a route deleted", "a second route of a key", "a second stage*"), "done", _CONFLICT
    ),
    _ministack("a page of two", "3 items, no more", _PAGES),
    _ministack("defaults of a stage", "ThrottlingRateLimit None", _DEFAULTS),
    _ministack("required parameter removed", "NotFoundException", _LOST_STAGE),
    _ministack("settings of one route", "NotFoundException", _LOST_STAGE),
    Known(
        "ministack",
        CALLS,
        ("an empty stage description",),
        "''",
        "two public projects report that AWS ignores it, it has not been shown; plans are right under both",
        right="not known",
    ),
    _ministack("deployment of a stage", "not served", _DEPLOYS),
    _ministack("deployment of a stage that is missing", "done", _DEPLOYS),
    _ministack("* of a mapping deleted", "done", _IN_USE),
    _ministack("sync_routes --check --deep", "the stage serves no deployment", _DEPLOYS, COMMANDS),
)
_MINISTACK_DRIFT = (
    _ministack(("dual-stack*",), "ip_address_type", _ADDRESS_TYPE, DRIFT),
    _ministack(("dual-stack*",), "not found", _ADDRESS_TYPE, DRIFT),
    _ministack(("*tag *", "*tag", "*mark removed", "memory*"), "not found: []", _STAGE_TAGS, DRIFT),
    _ministack(("tag*", "*taken back", "stage made*"), " tags[", _STAGE_TAGS, DRIFT),
    _ministack("passthrough", "not found: []", f"PassthroughBehavior is in {_MODEL}; it is dropped", DRIFT),
    _ministack(("mapping *", "static header", "query string*"), "request_parameters[", _MERGES, DRIFT),
    _ministack("targets swapped", "update integration $default (an attribute differs)']", _MERGES, DRIFT),
    _ministack(("*variable*",), "stage_variables[", _MERGES, DRIFT),
    _ministack(("required parameter",), "create route $connect (missing", _LOST_STAGE, DRIFT),
    _ministack(("access log off", "one route's settings"), "create stage production (", _LOST_STAGE, DRIFT),
    _ministack(("deployed by hand", "change deployed and undone"), "not found: []", _DEPLOYS, DRIFT),
    _ministack("older deployment", "KeyError('DeploymentId')", _DEPLOYS, DRIFT),
    _ministack("*", "not gone: ['+ Would create deployment production (the stage serves no", _DEPLOYS, DRIFT),
)
KNOWN: tuple[Known, ...] = (*_MOTO, *_MINISTACK, *_MINISTACK_DRIFT)


def find_known(target: str, part: str, case: str, seen: str) -> Known | None:
    """The known difference that explains what was seen; None if there is none."""
    return next((item for item in KNOWN if _explains(item, target, part, case, seen)), None)


def _explains(item: Known, target: str, part: str, case: str, seen: str) -> bool:
    named = any(fnmatchcase(case, pattern.replace("[", "[[]")) for pattern in item.cases)
    return (item.target, item.part) == (target, part) and named and item.seen in seen
