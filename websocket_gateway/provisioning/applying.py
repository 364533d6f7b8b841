"""Apply a plan, and look again where an answer was lost: one loop for creating, syncing and deleting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from websocket_gateway import metrics
from websocket_gateway.aws.apis import Apis
from websocket_gateway.exceptions import (
    ConfigurationError,
    ConflictError,
    EndpointUnreachableError,
    GatewayNotFoundError,
    LeaseLostError,
    NotFoundError,
    PlanOutdatedError,
    ServiceError,
    WebSocketGatewayError,
)
from websocket_gateway.leases import GatewayLease
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.plan import AnyStep, Plan
from websocket_gateway.provisioning.planning.routes import routes_by_key
from websocket_gateway.provisioning.steps import HANDLERS
from websocket_gateway.provisioning.steps.context import Context
from websocket_gateway.resources import ObservedGateway

_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 1.0
_UNCLEAR: Final = (EndpointUnreachableError, ServiceError, ConflictError, NotFoundError, PlanOutdatedError)
"""After these the state of AWS is unknown: a call may have succeeded although its response was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan and what it was made from."""

    gateway: ApiGateway
    apis: Apis
    observed: ObservedGateway
    plan: Plan
    purpose: ClassVar[str] = "delete"
    """`apply` or `delete`: what the plan is for."""

    def record_observed(self, lease: GatewayLease) -> None:
        """Save what the row should keep before the first step."""

    def record_applied(self, lease: GatewayLease) -> None:
        """Save what the row should keep after the last step."""


P = TypeVar("P", bound=Planned)


def apply_patiently(
    planned: P,
    replan: Callable[[], P],
    *,
    lease: GatewayLease,
    on_step: Callable[[AnyStep], None],
    on_wait: Callable[[str], None],
) -> None:
    """Apply a plan; ids are saved step by step, so a later run finishes what this one cannot.

    Where an answer was lost, `replan` looks again at what AWS has. A new plan that deletes anything that the
    first one did not name ends the run with `PlanOutdatedError`. Raises the error that ended it, which is
    also kept in the row's `last_error`, unless another process has the row by then (`LeaseLostError`).
    """
    with metrics.timed("provision", action=planned.purpose):
        _apply_patiently(planned, replan, lease=lease, on_step=on_step, on_wait=on_wait)


def _apply_patiently(
    planned: P,
    replan: Callable[[], P],
    *,
    lease: GatewayLease,
    on_step: Callable[[AnyStep], None],
    on_wait: Callable[[str], None],
) -> None:
    first = planned
    try:
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                _apply(planned, lease=lease, on_step=on_step, on_wait=on_wait)
            except _UNCLEAR as exc:
                if not attempts_left:
                    raise
                on_wait(f"{exc} Looking again at what AWS has.")
                planned.apis.sleep(_PAUSE_SECONDS)
                planned = replan()
                _check_agreed(first.plan, planned.plan)
            else:
                return
    except (LeaseLostError, GatewayNotFoundError):
        raise  # the row belongs to another process now, or is deleted
    except (WebSocketGatewayError, ConfigurationError) as exc:
        lease.hold(last_error=str(exc))
        raise


def _check_agreed(first: Plan, again: Plan) -> None:
    agreed = {step.identity for step in first.deletions}
    if not agreed.issuperset(step.identity for step in again.deletions):
        raise PlanOutdatedError(
            f"Gateway {again.gateway!r} was changed in AWS meanwhile, so the resources to delete are no "
            "longer those that were confirmed. Run the command again."
        )


def _apply(
    planned: Planned,
    *,
    lease: GatewayLease,
    on_step: Callable[[AnyStep], None],
    on_wait: Callable[[str], None],
) -> None:
    planned.record_observed(lease)
    context = Context(
        gateway=planned.gateway,
        apis=planned.apis,
        lease=lease,
        on_wait=on_wait,
        routes={key: route.route_id for key, route in routes_by_key(planned.observed).items()},
    )
    apply_steps(planned.plan, context, on_step=on_step)
    planned.record_applied(lease)


def apply_steps(plan: Plan, context: Context, *, on_step: Callable[[AnyStep], None]) -> None:
    """Apply every step; raises the first error, with everything before it done and saved."""
    for step in plan:
        context.lease.check()
        if step.structural and context.gateway.deployment_id:
            context.save(deployment_id="")  # until the end a deployment is owed
        HANDLERS[step.action, step.kind](context, step)
        on_step(step)
