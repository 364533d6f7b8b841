"""Options of `GATEWAYS`: those that were taken back become AWS's default again, others' values are shown.

Which options a run of ours applied stands in a tag of the resource itself, so a new machine, or a new
database, knows it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from websocket_gateway.provisioning.plan import Kind, Unmanaged
from websocket_gateway.resources import (
    OPTIONS_TAG,
    Api,
    Domain,
    ObservedGateway,
    Stage,
    WantedGateway,
    frozen,
)

Configurable = TypeVar("Configurable", Api, Stage, Domain)

API_DEFAULTS: Final[Mapping[str, object]] = {
    "disable_execute_api_endpoint": False,
    "ip_address_type": "ipv4",
}
STAGE_DEFAULTS: Final[Mapping[str, object]] = {
    "throttling_rate_limit": 10_000.0,
    "throttling_burst_limit": 5_000,
    "access_log_arn": "",
    "access_log_format": "",
    "stage_variables": frozen({}),
}
DOMAIN_DEFAULTS: Final[Mapping[str, object]] = {"ip_address_type": "ipv4"}
"""What AWS gives a new resource.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-set-up-websocket-deployment.html
"""


def settle_options(wanted: WantedGateway, observed: ObservedGateway) -> WantedGateway:
    """`wanted` with AWS's default for every option that an earlier run applied and nothing configures now.

    Each resource gets the tag that remembers which options are configured.
    """
    domain = wanted.domain
    if domain is not None:
        settled = _settle(domain.domain, observed.domain.domain, DOMAIN_DEFAULTS)
        domain = replace(domain, domain=settled)
    return replace(
        wanted,
        api=_settle(wanted.api, observed.api, API_DEFAULTS),
        stage=_settle(wanted.stage, observed.find_stage(wanted.stage.stage_name), STAGE_DEFAULTS),
        domain=domain,
    )


def _settle(wanted: Configurable, seen: Configurable | None, defaults: Mapping[str, object]) -> Configurable:
    configured = sorted(name for name in defaults if getattr(wanted, name) is not None)
    told = {OPTIONS_TAG: " ".join(configured)} if configured else {}
    applied = seen.tags.get(OPTIONS_TAG, "").split() if seen is not None else ()
    undone = {name: defaults[name] for name, *_ in _not_configured(wanted, seen, defaults) if name in applied}
    return replace(wanted, tags=frozen({**wanted.tags, **told}), **undone)  # type: ignore[arg-type]


def find_unmanaged(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[Unmanaged]:
    """Values that AWS has, that nothing configures and that are not AWS's default."""
    stage = observed.find_stage(wanted.stage.stage_name)
    of_api = _not_configured(wanted.api, observed.api, API_DEFAULTS)
    of_stage = _not_configured(wanted.stage, stage, {"description": "", **STAGE_DEFAULTS})
    found_of = [(Kind.API, wanted.api.name, of_api), (Kind.STAGE, wanted.stage.stage_name, of_stage)]
    if wanted.domain is not None:
        domain = wanted.domain.domain
        of_domain = _not_configured(domain, observed.domain.domain, DOMAIN_DEFAULTS)
        found_of.append((Kind.DOMAIN, domain.domain_name, of_domain))
    for kind, name, found in found_of:
        for attribute, value, default in found:
            yield Unmanaged(kind=kind, name=name, attribute=attribute, value=value, default=default)


def _not_configured(
    wanted: Configurable, seen: Configurable | None, defaults: Mapping[str, object]
) -> Iterator[tuple[str, object, object]]:
    """Name, value in AWS and default of each option that is left to AWS and has another value there."""
    for name, default in defaults.items():
        value = getattr(seen, name, None)
        if getattr(wanted, name) is None and value is not None and value != default:
            yield name, value, default
