"""Bringing a gateway in AWS to what its row, the views and the settings say: plan, and apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from websocket_gateway.aws.apis import Apis, no_progress
from websocket_gateway.aws.clients import resolve_region
from websocket_gateway.aws.endpoints import region_in
from websocket_gateway.connections.endpoints import find_socket_url
from websocket_gateway.exceptions import (
    ConfigurationError,
    ConflictError,
    EndpointUnreachableError,
    ForeignGatewayError,
    LeaseLostError,
    NotFoundError,
    PlanOutdatedError,
    ServiceError,
    WebSocketGatewayError,
)
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.provisioning.applying import Applying
from websocket_gateway.provisioning.choices import Choices
from websocket_gateway.provisioning.custom_domain import add_domain
from websocket_gateway.provisioning.importing import take_over
from websocket_gateway.provisioning.lease import PATIENCE_SECONDS, Lease, held, leased
from websocket_gateway.provisioning.observed import observe_gateway
from websocket_gateway.provisioning.plan import Plan, PlanError, Step
from websocket_gateway.provisioning.planning.gateway import plan_gateway
from websocket_gateway.provisioning.recording import save_applied, save_error, save_observed
from websocket_gateway.provisioning.row import set_values
from websocket_gateway.provisioning.wanted import unwise, wanted_gateway
from websocket_gateway.provisioning.wanted_routes import project_routes, unknown_gateways
from websocket_gateway.resources import ObservedGateway, WantedGateway

_ROUNDS = 3
_PAUSE_SECONDS = 1.0
_UNCLEAR = (EndpointUnreachableError, ServiceError, ConflictError, NotFoundError, PlanOutdatedError)
"""After these nobody knows what AWS has now: a call may have worked although its answer was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioning:
    """A plan and what it was made from."""

    gateway: ApiGateway
    apis: Apis
    choices: Choices
    wanted: WantedGateway
    observed: ObservedGateway
    plan: Plan

    @property
    def socket_url(self) -> str:
        """The URL that clients connect to; empty while the API does not exist."""
        return find_socket_url(self.gateway)


def nothing_to_ask(provisioning: Provisioning) -> None:
    """Agree to every plan."""


def plan_provisioning(
    gateway: ApiGateway,
    *,
    record: tuple[Step, ...] = (),
    choices: Choices = Choices(),  # noqa: B008 - frozen
    on_wait: Callable[[str], None] = no_progress,
) -> Provisioning:
    """What has to be done for `gateway`; reads AWS, changes nothing.

    Raises `AWSError`, `ConfigurationError`, `GatewayMissingError` or `ForeignGatewayError`.
    """
    region = region_in(gateway.api_endpoint) or resolve_region(gateway.region_name)
    apis = Apis.in_region(region, origin_secret=origin_secret, on_wait=on_wait)
    routes = project_routes(gateway)  # before any call: what is wrong with the project needs no AWS
    wanted = wanted_gateway(gateway, routes=routes)
    observed = observe_gateway(gateway, wanted, apis, choices=choices)
    api_id = observed.api.api_id if observed.api else ""
    if choices.take_over:
        imported, routes = take_over(gateway, wanted, observed, routes)
        record = (*record, *imported)
    wanted = wanted_gateway(gateway, routes=routes, api_id=api_id)
    wanted, observed = add_domain(gateway, wanted, observed, apis, choices=choices)
    try:
        plan = plan_gateway(
            wanted,
            observed,
            record=record,
            notes=_notes(gateway, observed),
            prune=choices.prune,
            deployment_owed=bool(api_id) and gateway.api_created and not gateway.deployment_id,
        )
    except PlanError as exc:
        raise ConfigurationError(f"Gateway {gateway.api_name!r}: {exc}") from exc
    return Provisioning(
        gateway=gateway, apis=apis, choices=choices, wanted=wanted, observed=observed, plan=plan
    )


def _notes(gateway: ApiGateway, observed: ObservedGateway) -> tuple[str, ...]:
    others = (
        f"API {api.api_id} has the same name, belongs to another installation and is left alone"
        for api in observed.namesakes
    )
    return (*unwise(gateway), *unknown_gateways(), *others)


def provision(
    gateway: ApiGateway,
    *,
    record: tuple[Step, ...] = (),
    choices: Choices = Choices(),  # noqa: B008 - frozen
    confirm: Callable[[Provisioning], None] = nothing_to_ask,
    on_step: Callable[[Step], None],
    on_wait: Callable[[str], None] = no_progress,
    patience: float = PATIENCE_SECONDS,
) -> Provisioning:
    """Plan and apply, with nobody else at work on this gateway; answers the plan that was applied.

    `record` are the steps for values that were set on the row and not saved. `confirm` sees the plan before
    anything is done, and raises to stop. Another process is waited for, `patience` seconds long. Raises
    `GatewayBusyError` when that ends, and what `plan_provisioning` and `apply_provisioning` raise.
    """
    values = {change.attribute: change.after for step in record for change in step.changes}
    if gateway._state.adding:
        made = _provision_new(
            gateway, record=record, choices=choices, confirm=confirm, on_step=on_step, on_wait=on_wait
        )
        if made is not None:
            return made
        on_wait(f"Gateway {gateway.api_name!r} was created by another process just now.")
        gateway = ApiGateway.objects.get(api_name=gateway.api_name)
    with leased(gateway, on_wait=on_wait, patience=patience) as lease:
        gateway.refresh_from_db()
        record = set_values(gateway, values)
        planned = plan_provisioning(gateway, record=record, choices=choices, on_wait=on_wait)
        confirm(planned)
        apply_provisioning(planned, lease=lease, on_step=on_step, on_wait=on_wait)
    return planned


def _provision_new(
    gateway: ApiGateway,
    *,
    record: tuple[Step, ...],
    choices: Choices,
    confirm: Callable[[Provisioning], None],
    on_step: Callable[[Step], None],
    on_wait: Callable[[str], None],
) -> Provisioning | None:
    """Plan, save the row, apply; None if another process saved a row of that name first."""
    try:
        # Planned before the row is saved, so that what cannot be planned leaves no row.
        planned = plan_provisioning(gateway, record=record, choices=choices, on_wait=on_wait)
    except ForeignGatewayError:
        # It may be the API of a process that is just making this very gateway: the row comes first.
        if not ApiGateway.objects.filter(api_name=gateway.api_name).exists():
            raise
        return None
    confirm(planned)
    lease = Lease(gateway)
    if not lease.insert():
        return None
    with held(lease):
        apply_provisioning(planned, lease=lease, on_step=on_step, on_wait=on_wait)
    return planned


def apply_provisioning(
    provisioning: Provisioning,
    *,
    lease: Lease,
    on_step: Callable[[Step], None],
    on_wait: Callable[[str], None] = no_progress,
) -> None:
    """Carry the plan out; ids are saved step by step, so a later run finishes what this one cannot.

    Where an answer was lost it looks again what AWS has and goes on from there. Raises the error that ended
    it (`AWSError`, `DeploymentFailedError`, `LeaseLostError`), which is also kept in the row's `last_error`.
    """
    gateway, apis = provisioning.gateway, provisioning.apis
    try:
        for _ in range(_ROUNDS - 1):
            try:
                _apply_once(provisioning, lease, on_step=on_step, on_wait=on_wait)
            except _UNCLEAR as exc:
                on_wait(f"{exc} Looking again at what AWS has.")
                apis.sleep(_PAUSE_SECONDS)
                provisioning = _plan_again(provisioning, on_wait=on_wait)
            else:
                return
        _apply_once(provisioning, lease, on_step=on_step, on_wait=on_wait)
    except LeaseLostError:
        raise  # the row is another process's now
    except (WebSocketGatewayError, ConfigurationError) as exc:
        save_error(gateway, exc)
        raise


def _plan_again(before: Provisioning, *, on_wait: Callable[[str], None]) -> Provisioning:
    """The plan from what AWS has now; raises `PlanOutdatedError` if it deletes what nobody agreed to."""
    again = plan_provisioning(before.gateway, choices=before.choices, on_wait=on_wait)
    agreed = {(step.kind, step.name) for step in before.plan.deletions}
    if not agreed.issuperset((step.kind, step.name) for step in again.plan.deletions):
        raise PlanOutdatedError(
            f"Somebody else is changing gateway {before.gateway.api_name!r} in AWS, so what is to be deleted "
            "is no longer what was agreed to. Run the command again."
        )
    return again


def _apply_once(
    provisioning: Provisioning,
    lease: Lease,
    *,
    on_step: Callable[[Step], None],
    on_wait: Callable[[str], None],
) -> None:
    gateway, plan, observed = provisioning.gateway, provisioning.plan, provisioning.observed
    save_observed(gateway, observed, plan=plan)
    Applying(gateway=gateway, apis=provisioning.apis, lease=lease, on_step=on_step, on_wait=on_wait).run(
        plan, observed=observed
    )
    save_applied(gateway, provisioning.wanted, plan=plan)
