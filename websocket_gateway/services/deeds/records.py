"""Steps in our own database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websocket_gateway.planning.plans import Action, Kind, Step

if TYPE_CHECKING:
    from websocket_gateway.services.applying import Applying


def save_record(run: Applying, step: Step) -> None:
    """Save the gateway's row with the values that the step shows."""
    run.gateway.save()


DEEDS = {
    (Action.CREATE, Kind.RECORD): save_record,
    (Action.UPDATE, Kind.RECORD): save_record,
}
