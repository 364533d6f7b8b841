"""Steps that remove from AWS, in an order that it accepts: leftovers, or a whole gateway.

Leftovers are what is in AWS and not wanted here; they are removed only when asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from websocket_gateway.provisioning.plan import (
    Action,
    AnyStep,
    Kind,
    Other,
    Plan,
    RecordStep,
    Step,
    count_sockets,
)
from websocket_gateway.provisioning.planning import marks
from websocket_gateway.provisioning.planning.domain import (
    dangling_names,
    inheritance,
    is_ours,
    leftover_domains,
    plan_removal,
)
from websocket_gateway.provisioning.planning.routes import choose_integrations, routes_by_key
from websocket_gateway.resources import Api, Integration, ObservedGateway, Route, Stage, WantedGateway

_REASON = "the gateway is being deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Steps that are not taken unless asked for."""

    resources: tuple[AnyStep, ...]
    """Routes first, then the integrations that serve none."""
    stages: tuple[AnyStep, ...]
    domains: tuple[AnyStep, ...]
    """Earlier domains of this gateway, and earlier paths of its domain."""
    kept: tuple[AnyStep, ...]
    """Notes on further APIs with this gateway's mark, and stages with open sockets: no step deletes them."""

    @property
    def route_keys(self) -> frozenset[str]:
        """Keys of the routes among them."""
        return frozenset(step.name for step in self.resources if step.kind is Kind.ROUTE)


def find_leftovers(
    wanted: WantedGateway,
    observed: ObservedGateway,
    *,
    uuid: str,
    prune: bool,
    sockets: Mapping[str, int],
) -> Leftovers:
    """Everything that is there and not wanted; with `prune` also what is so once its routes are gone.

    `sockets` has the number of open sockets of each stage.
    """
    stages = tuple(_stages(wanted, observed, uuid=uuid, sockets=sockets))
    routes = tuple(_routes(wanted, observed, uuid=uuid))
    surviving = () if prune else [step.resource.route_id for step in routes]
    return Leftovers(
        resources=(*routes, *_integrations(wanted, observed, uuid=uuid, surviving=surviving)),
        stages=tuple(step for step in stages if step.action is Action.DELETE),
        domains=(
            tuple(leftover_domains(wanted, observed, uuid=uuid))
            if wanted.domain is not None or observed.former_domains
            else ()
        ),
        kept=(*(step for step in stages if step.action is Action.KEEP), *_twins(observed)),
    )


def _routes(wanted: WantedGateway, observed: ObservedGateway, *, uuid: str) -> Iterator[Step[Route]]:
    """A step for every route of a key that nothing wants, and for every second route of a key."""
    keys = {want.route_key for want in wanted.routes}
    kept = {route.route_id for key, route in routes_by_key(observed).items() if key in keys}
    integrations = {item.integration_id: item for item in observed.integrations}
    for route in observed.routes:
        if route.route_id in kept:
            continue
        yield Step(
            action=Action.DELETE,
            kind=Kind.ROUTE,
            name=route.route_key,
            reason=_why_unwanted(route, keys, integrations.get(route.integration_id), uuid),
            resource=route,
        )


def _why_unwanted(route: Route, keys: set[str], integration: Integration | None, uuid: str) -> str:
    if route.route_key in keys:
        return "a second route of this key"
    if integration is not None and marks.marked_route_key(integration, uuid) == route.route_key:
        return "was made for a row or view that is gone"
    return "no row and no view declares it"


def _integrations(
    wanted: WantedGateway, observed: ObservedGateway, *, uuid: str, surviving: Collection[str]
) -> Iterator[Step[Integration]]:
    """A step for every integration that serves no route; `surviving` are ids of routes that are left."""
    used = {route.integration_id for route in observed.routes if route.route_id in surviving}
    used |= {item.integration_id for item in choose_integrations(wanted, observed, uuid=uuid).values()}
    for item in observed.integrations:
        if item.integration_id not in used:
            yield Step(
                action=Action.DELETE,
                kind=Kind.INTEGRATION,
                name=item.integration_id,
                reason=f"serves no route: {item.integration_method or 'no method'} {item.integration_uri}",
                resource=item,
            )


def _stages(
    wanted: WantedGateway, observed: ObservedGateway, *, uuid: str, sockets: Mapping[str, int]
) -> Iterator[Step[Stage]]:
    """A step for every stage that is not the wanted one: one with open sockets is kept until they end."""
    for stage in observed.stages:
        if stage.stage_name == wanted.stage.stage_name:
            continue
        held = sockets.get(stage.stage_name, 0)
        reason = "an earlier stage of this gateway" if marks.is_marked(stage.tags, uuid) else "not ours"
        if held:
            reason += f" with {count_sockets(held)}; --prune deletes it once none is open"
        yield Step(
            action=Action.KEEP if held else Action.DELETE,
            kind=Kind.STAGE,
            name=stage.stage_name,
            reason=reason,
            resource=stage,
        )


def _twins(observed: ObservedGateway) -> Iterator[Step[Api]]:
    """A note on every further API with this gateway's mark; a whole API is not deleted in passing."""
    for api in observed.twins:
        yield Step(
            action=Action.KEEP,
            kind=Kind.API,
            name=api.api_id,
            reason="carries this gateway's mark too; delete it in the AWS console once no client uses it",
            resource=api,
        )


def plan_deletion(
    name: str,
    observed: ObservedGateway,
    *,
    uuid: str,
    api_id: str,
    others: Mapping[str, Other] = MappingProxyType({}),  # noqa: B008 - read-only
    record: tuple[RecordStep, ...],
) -> Plan:
    """The plan that deletes a gateway: first what leads to it.

    `api_id` is the row's, `others` are the other gateways by API id, `record` is what is done to the row.
    """
    api_ids = {api_id, *(api.api_id for api in (observed.api, *observed.twins) if api is not None)} - {""}
    domains = (observed.domain, *observed.former_domains)
    steps: list[AnyStep] = []
    for seen in domains:
        removal = tuple(plan_removal(seen, uuid=uuid, api_ids=api_ids, reason=_REASON))
        stays = not any(step.kind is Kind.DOMAIN for step in removal)
        steps.extend((*removal, *(inheritance(seen, uuid=uuid, others=others) if stays else ())))
    steps.extend(_apis(observed))
    deleted = {step.name for step in steps if step.kind is Kind.DOMAIN and step.action is Action.DELETE}
    left = [
        f"domain {seen.domain.domain_name} stays: "
        + ("other gateways use it" if is_ours(seen, uuid, api_ids) else "it was not made for this gateway")
        for seen in domains
        if seen.domain is not None and seen.domain.domain_name not in deleted
    ]
    return Plan(gateway=name, steps=(*steps, *record), notes=(*left, *dangling_names(steps)))


def _apis(observed: ObservedGateway) -> Iterator[Step[Api]]:
    for api in (observed.api, *observed.twins):
        if api is not None:
            yield Step(
                action=Action.DELETE,
                kind=Kind.API,
                name=f"{api.name} ({api.api_id})",
                reason=_REASON,
                resource=api,
            )
