"""Observed gateway -> the steps that take it down, in an order that AWS accepts: what leads to it first."""

from __future__ import annotations

from collections.abc import Iterator

from websocket_gateway.provisioning.plan import Action, Kind, Plan, Step
from websocket_gateway.provisioning.planning.domain import dangling_names, is_ours, plan_removal
from websocket_gateway.resources import ObservedGateway

_REASON = "the gateway is to go"


def plan_deletion(
    name: str, observed: ObservedGateway, *, uuid: str, api_id: str, record: tuple[Step, ...]
) -> Plan:
    """The plan that removes everything of a gateway's; `api_id` is the row's, `record` what is done to it."""
    api_ids = {api_id, *(api.api_id for api in (observed.api, *observed.twins) if api is not None)} - {""}
    domains = (observed.domain, *observed.former_domains)
    steps: list[Step] = []
    for seen in domains:
        steps.extend(plan_removal(seen, uuid=uuid, api_ids=api_ids, reason=_REASON))
    steps.extend(_apis(observed))
    deleted = {step.name for step in steps if step.kind is Kind.DOMAIN}
    left = [
        f"domain {seen.domain.domain_name} stays: "
        + ("other gateways use it" if is_ours(seen.domain, uuid) else "it was not made for this gateway")
        for seen in domains
        if seen.domain is not None and seen.domain.domain_name not in deleted
    ]
    return Plan(gateway=name, steps=(*steps, *record), notes=(*left, *dangling_names(steps)))


def _apis(observed: ObservedGateway) -> Iterator[Step]:
    for api in (observed.api, *observed.twins):
        if api is not None:
            yield Step(
                action=Action.DELETE,
                kind=Kind.API,
                name=f"{api.name} ({api.api_id})",
                reason=_REASON,
                resource=api,
            )
