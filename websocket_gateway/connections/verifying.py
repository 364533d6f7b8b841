"""Asking AWS about a few connections that a person has chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from websocket_gateway.aws.connections import get_connections
from websocket_gateway.aws.engines.base import Recipient, Status
from websocket_gateway.aws.lookups import Lookups
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.connections.sessions import end
from websocket_gateway.exceptions import ConfigurationError, GatewayMissingError
from websocket_gateway.models import WebSocketSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What AWS said."""

    open: int = 0
    ended: int = 0
    """Sockets that are closed; their sessions are marked as ended now."""
    too_young: int = 0
    """Sessions younger than the connect grace, of which "closed" proves nothing."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Why nothing is known of some: reason -> number."""


def verify(sessions: Sequence[WebSocketSession]) -> Verification:
    """Ask about each of `sessions`, and end those whose sockets are closed. Raises nothing."""
    settings = get_settings()
    unknown: Counter[str] = Counter()
    by_id = {session.connection_id: session for session in sessions}
    recipients = list(_recipients(sessions, unknown))
    counts: Counter[str] = Counter()
    youngest = timezone.now() - timedelta(seconds=settings.connect_grace_seconds)
    with Lookups(
        connections=get_connections(),
        concurrency=settings.send_concurrency,
        max_per_second=settings.send_max_per_second,
    ) as lookups:
        for answer in lookups.ask(recipients):
            session = by_id[answer.recipient.connection_id]
            if answer.status is Status.FAILED:
                unknown[answer.reason] += 1
            elif answer.status is Status.DELIVERED:
                counts["open"] += 1
            elif session.created_on > youngest:
                counts["too_young"] += 1
            else:
                end(session, reason="gone")
                counts["ended"] += 1
    return Verification(
        open=counts["open"], ended=counts["ended"], too_young=counts["too_young"], unknown=dict(unknown)
    )


def _recipients(sessions: Sequence[WebSocketSession], unknown: Counter[str]) -> list[Recipient]:
    found = []
    for session in sessions:
        try:
            endpoint = endpoint_of(session.api_gateway)
        except (GatewayMissingError, ConfigurationError) as exc:
            unknown[str(exc)] += 1
        else:
            found.append(Recipient(endpoint, session.connection_id, session.created_on))
    return found
