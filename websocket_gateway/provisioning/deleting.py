"""Taking a gateway down: plan, and apply. What is somebody else's stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from websocket_gateway.aws.apis import Apis, no_progress
from websocket_gateway.aws.clients import resolve_region
from websocket_gateway.aws.endpoints import region_in
from websocket_gateway.exceptions import (
    ConflictError,
    EndpointUnreachableError,
    PlanOutdatedError,
    ServiceError,
    WebSocketGatewayError,
)
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.provisioning.applying import Applying
from websocket_gateway.provisioning.custom_domain import had_domain, observe_every_domain
from websocket_gateway.provisioning.lease import leased
from websocket_gateway.provisioning.observed import observe_api
from websocket_gateway.provisioning.plan import Action, Change, Kind, Plan, Step
from websocket_gateway.provisioning.planning.deleting import plan_deletion
from websocket_gateway.provisioning.recording import save_error
from websocket_gateway.resources import ObservedGateway

_ROUNDS = 3
_PAUSE_SECONDS = 1.0
_UNCLEAR = (EndpointUnreachableError, ServiceError, ConflictError, PlanOutdatedError)
_NOTHING_IN_AWS: Final[Mapping[str, Any]] = {
    "api_id": "",
    "api_endpoint": "",
    "api_gateway_domain_name": "",
    "api_mapping_id": "",
    "deployment_id": "",
    "api_created": False,
    "custom_domain_created": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A plan and what it was made from."""

    gateway: ApiGateway
    apis: Apis
    observed: ObservedGateway
    plan: Plan


def plan_gateway_deletion(
    gateway: ApiGateway, *, keep_record: bool = False, on_wait: Callable[[str], None] = no_progress
) -> Deletion:
    """What has to be done to take `gateway` down; reads AWS, changes nothing.

    Raises `AWSError`, `ConfigurationError`, and `ForeignGatewayError` for an API of somebody else.
    """
    region = region_in(gateway.api_endpoint) or resolve_region(gateway.region_name)
    apis = Apis.in_region(region, origin_secret=origin_secret, on_wait=on_wait)
    observed = observe_api(gateway, apis)
    if gateway.domain_name or had_domain(gateway):
        observed = observe_every_domain(gateway, observed, apis)
    plan = plan_deletion(
        gateway.api_name,
        observed,
        uuid=str(gateway.uuid),
        api_id=gateway.api_id,
        record=_record_steps(gateway, keep_record=keep_record),
    )
    return Deletion(gateway=gateway, apis=apis, observed=observed, plan=plan)


def delete_gateway(
    gateway: ApiGateway,
    *,
    keep_record: bool = False,
    confirm: Callable[[Deletion], None],
    on_step: Callable[[Step], None],
    on_wait: Callable[[str], None] = no_progress,
) -> Deletion:
    """Plan and apply, with nobody else at work on this gateway; answers the plan that was applied.

    `confirm` sees the plan before anything is done, and raises to stop. After any failure, run it again: it
    finds what is left.
    """
    with leased(gateway, on_wait=on_wait) as lease:
        gateway.refresh_from_db()
        deletion = plan_gateway_deletion(gateway, keep_record=keep_record, on_wait=on_wait)
        if deletion.plan:
            confirm(deletion)
        planned = deletion
        for rounds_left in reversed(range(_ROUNDS)):
            applying = Applying(
                gateway=gateway, apis=planned.apis, lease=lease, on_step=on_step, on_wait=on_wait
            )
            try:
                applying.run(planned.plan, observed=planned.observed)
            except _UNCLEAR as exc:
                if not rounds_left:
                    save_error(gateway, exc)
                    raise
                on_wait(f"{exc} Looking again at what AWS has.")
                planned.apis.sleep(_PAUSE_SECONDS)
                planned = plan_gateway_deletion(gateway, keep_record=keep_record, on_wait=on_wait)
            except WebSocketGatewayError as exc:
                save_error(gateway, exc)
                raise
            else:
                break
    return deletion


def _record_steps(gateway: ApiGateway, *, keep_record: bool) -> tuple[Step, ...]:
    name = gateway.api_name
    if not keep_record:
        reason = "with its routes and sessions"
        return (Step(action=Action.DELETE, kind=Kind.RECORD, name=name, reason=reason),)
    steps = []
    if WebSocketSession.objects.filter(api_gateway=gateway, connected=True).exists():
        reason = "their sockets are closed with the API"
        steps.append(Step(action=Action.UPDATE, kind=Kind.SESSIONS, name=name, reason=reason))
    if changes := tuple(_forgotten(gateway)):
        reason = "it stays, without what AWS answered"
        steps.append(Step(action=Action.UPDATE, kind=Kind.RECORD, name=name, reason=reason, changes=changes))
    return tuple(steps)


def _forgotten(gateway: ApiGateway) -> Iterator[Change]:
    for field, nothing in _NOTHING_IN_AWS.items():
        if (value := getattr(gateway, field)) != nothing:
            yield Change(attribute=field, before=value, after=nothing)
