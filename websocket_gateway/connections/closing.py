"""Closing the sockets that a person has chosen, and saying what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from websocket_gateway.aws.connections import get_connections
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.connections.sessions import end
from websocket_gateway.exceptions import (
    AWSError,
    ConfigurationError,
    ConnectionGoneError,
    WebSocketGatewayError,
)
from websocket_gateway.models import WebSocketSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnection:
    """What became of the sockets."""

    closed: int = 0
    gone: int = 0
    """Those that were closed already."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Why some may still be open: reason -> number. Their next message is refused all the same."""


def disconnect(sessions: Sequence[WebSocketSession], *, reason: str) -> Disconnection:
    """End each session and close its socket, which must be loaded with its gateway. Raises nothing."""
    adapter = get_connections()
    closed = gone = 0
    failed: Counter[str] = Counter()
    unreachable = ""
    for session in sessions:
        end(session, reason=reason)
        if unreachable:
            failed[unreachable] += 1
            continue
        try:
            adapter.delete(endpoint_of(session.api_gateway), session.connection_id)
        except ConnectionGoneError:
            gone += 1
        except (WebSocketGatewayError, ConfigurationError) as exc:
            failed[str(exc)] += 1
            if not isinstance(exc, AWSError) or not exc.status:
                unreachable = str(exc)  # no answer or no credentials: the next would only wait as long
        else:
            closed += 1
    return Disconnection(closed=closed, gone=gone, failed=dict(failed))
