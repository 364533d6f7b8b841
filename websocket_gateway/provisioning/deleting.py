"""Delete a gateway: plan, and apply. What belongs to others stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from websocket_gateway.aws.apis import Apis, no_progress
from websocket_gateway.aws.endpoints import region_of
from websocket_gateway.leases import leased
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.provisioning.applying import Planned, apply_patiently
from websocket_gateway.provisioning.custom_domain import observe_every_domain
from websocket_gateway.provisioning.observed import observe_api
from websocket_gateway.provisioning.plan import Action, AnyStep, Change, Kind, RecordStep, Step
from websocket_gateway.provisioning.planning.leftovers import plan_deletion
from websocket_gateway.provisioning.row import other_gateways, recording_owner

_NOTHING_IN_AWS: Final[Mapping[str, object]] = {
    "api_id": "",
    "api_endpoint": "",
    "api_gateway_domain_name": "",
    "api_mapping_id": "",
    "deployment_id": "",
    "deployed_stage": "",
    "deployed_address": "",
    "maps_stage": False,
    "default_endpoint_disabled": False,
    "api_created": False,
    "custom_domain_created": False,
    "installation": "",
}


def plan_gateway_deletion(
    gateway: ApiGateway, *, keep_record: bool = False, on_wait: Callable[[str], None] = no_progress
) -> Planned:
    """The plan that deletes `gateway`; reads AWS, changes nothing.

    Raises `AWSError`, `ConfigurationError`, and `ForeignGatewayError` for an API of another installation.
    """
    region = region_of(gateway.api_endpoint, gateway.region_name)
    apis = Apis.in_region(region, origin_secret=origin_secret, on_wait=on_wait)
    observed = observe_api(gateway, apis)
    observed = observe_every_domain(gateway, observed, apis)
    plan = plan_deletion(
        gateway.api_name,
        observed,
        uuid=str(gateway.uuid),
        api_id=gateway.api_id,
        others={row.api_id: row for row in other_gateways(gateway)},
        record=_record_steps(gateway, keep_record=keep_record),
    )
    return Planned(gateway=gateway, apis=apis, observed=observed, plan=plan)


def delete_gateway(
    gateway: ApiGateway,
    *,
    keep_record: bool = False,
    confirm: Callable[[Planned], None],
    on_step: Callable[[AnyStep], None],
    on_wait: Callable[[str], None] = no_progress,
) -> Planned:
    """Plan and apply, while no other process changes this gateway; answers the plan that was applied.

    `confirm` sees the plan before anything is done, and raises to stop. After any failure, run it again: it
    finds what is left. Raises what `plan_gateway_deletion` and `apply_patiently` raise.
    """

    def plan() -> Planned:
        return plan_gateway_deletion(gateway, keep_record=keep_record, on_wait=on_wait)

    with leased(gateway, on_wait=on_wait) as lease, recording_owner(lease):
        gateway.refresh_from_db()
        planned = plan()
        if planned.plan:
            confirm(planned)
        apply_patiently(planned, plan, lease=lease, on_step=on_step, on_wait=on_wait)
    return planned


def _record_steps(gateway: ApiGateway, *, keep_record: bool) -> tuple[RecordStep, ...]:
    name = gateway.api_name
    if not keep_record:
        return (_step(Action.DELETE, Kind.RECORD, name, "with its routes and sessions"),)
    steps = []
    if WebSocketSession.objects.filter(api_gateway=gateway, connected=True).exists():
        steps.append(_step(Action.UPDATE, Kind.SESSIONS, name, "their sockets are closed with the API"))
    if changes := tuple(_forgotten(gateway)):
        reason = "it stays, without what AWS answered"
        steps.append(_step(Action.UPDATE, Kind.RECORD, name, reason, changes=changes))
    return tuple(steps)


def _step(
    action: Action, kind: Kind, name: str, reason: str, *, changes: tuple[Change, ...] = ()
) -> RecordStep:
    return Step(action=action, kind=kind, name=name, reason=reason, changes=changes, resource=None)


def _forgotten(gateway: ApiGateway) -> Iterator[Change]:
    for field, nothing in _NOTHING_IN_AWS.items():
        if (value := getattr(gateway, field)) != nothing:
            yield Change(attribute=field, before=value, after=nothing)
