"""Apply, from a web page, the very plan that was shown there.

Creating a gateway takes longer than a web request may last, and a plan that is cut off half-way is finished
only by the next run. So the project's task queue applies it; without a queue, the command does. A local
gateway answers in milliseconds, so with a local gateway it is applied at once.
"""

from __future__ import annotations

from enum import Enum, auto

from django.core.exceptions import ImproperlyConfigured

from websocket_gateway.conf import get_settings, is_loopback
from websocket_gateway.exceptions import LeaseLostError, PlanOutdatedError, WebSocketGatewayError
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.gateways import Provisioning, provision
from websocket_gateway.provisioning.plan import AnyStep, Choices
from websocket_gateway.task_queue import background_backend, enqueue

_PATIENCE_SECONDS = 5.0
_APPLY_PLAN = "websocket_gateway.provisioning.tasks.apply_plan"


class Means(Enum):
    """How a plan can be applied from a web page."""

    QUEUE = auto()
    AT_ONCE = auto()
    COMMAND = auto()


def means_to_apply() -> Means:
    """The task queue if there is one; at once against a local gateway; else the command."""
    if background_backend() is not None:
        return Means.QUEUE
    endpoint_url = get_settings().endpoint_url
    return Means.AT_ONCE if endpoint_url and is_loopback(endpoint_url) else Means.COMMAND


def queue_confirmed(
    gateway: ApiGateway, *, fingerprint: str, prune: bool, import_changes: bool = False
) -> None:
    """Have the task queue apply the plan of that fingerprint. Raises what `enqueue` raises."""
    enqueue(_APPLY_PLAN, gateway.pk, fingerprint, prune, import_changes)


def provision_confirmed(
    gateway_pk: int, *, fingerprint: str, prune: bool, import_changes: bool = False
) -> Provisioning:
    """Plan again, and apply if that gives the plan of that fingerprint.

    Raises `PlanOutdatedError` where it does not, and what `provision` raises. Every error is kept in the
    row's `last_error`, which may be the only place where it is read; not once another process has the row.
    """

    def confirm(planned: Provisioning) -> None:
        if planned.plan.fingerprint != fingerprint:
            raise PlanOutdatedError(
                "The plan has changed since it was shown, so nothing was done. Check the new plan."
            )

    gateway = ApiGateway.objects.get(pk=gateway_pk)
    try:
        return provision(
            gateway,
            choices=Choices(prune=prune, import_changes=import_changes),
            confirm=confirm,
            on_step=_nothing_to_show,
            patience=_PATIENCE_SECONDS,
        )
    except LeaseLostError:
        raise
    except (WebSocketGatewayError, ImproperlyConfigured) as exc:
        ApiGateway.objects.filter(pk=gateway_pk).update(last_error=str(exc))
        raise


def _nothing_to_show(step: AnyStep) -> None:
    """The page shows the result."""
