"""Rotation of the origin secret alone: the row holds its generation, and whether a rotation is not finished.

A rotation saves the next generation first, gives it to every integration, deploys, and then ends. Until it
ends, events with the old secret are accepted too. A run that is cut off is finished by the next one, because
AWS still differs from what the row says, or because the row says that the rotation has not ended.
"""

from __future__ import annotations

from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.plan import Action, Change, Kind, RecordStep, Step


def rotation_values(gateway: ApiGateway) -> dict[str, object]:
    """The values of the row with which a rotation begins; none if one is to be finished.

    A third secret while two are accepted would shut out the events that still carry the first one.
    """
    if gateway.secret_rotating:
        return {}
    return {"secret_generation": gateway.secret_generation + 1, "secret_rotating": True}


def finishing_steps(gateway: ApiGateway) -> tuple[RecordStep, ...]:
    """The step that ends the rotation of `gateway`; it follows the deployment."""
    return (
        Step(
            action=Action.UPDATE,
            kind=Kind.ORIGIN_SECRET,
            name=gateway.api_name,
            reason="the new one is deployed; the old one is refused from now on",
            changes=(Change(attribute="secret_rotating", before=True, after=False),),
            resource=None,
        ),
    )
