"""Closing sockets: the only code that asks AWS to do so, one endpoint apart from the other."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from django.db import router
from django.db.models import QuerySet

from websocket_gateway.concurrency import run_after_commit
from websocket_gateway.connections.ending import end_each
from websocket_gateway.exceptions import (
    ConfigurationError,
    ConnectionGoneError,
    EndpointUnreachableError,
    WebSocketGatewayError,
)
from websocket_gateway.models import ApiGateway, WebSocketSession

if TYPE_CHECKING:
    from websocket_gateway.aws.connections import Connections
    from websocket_gateway.aws.endpoints import ManagementEndpoint

logger = logging.getLogger("websocket_gateway.connections")

_ENDPOINTS_AT_ONCE = 8
"""An endpoint that does not answer must not delay the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What happened to the sockets."""

    closed: int = 0
    gone: int = 0
    """Sockets that were closed already."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Sockets that may still be open: connection id -> why. Their next message is refused all the same."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why they failed: reason -> number, the most frequent first."""
        return dict(Counter(self.failed.values()).most_common())


def revoke(sessions: QuerySet[WebSocketSession], *, reason: str = "revoked") -> int:
    """End connections for real: mark them now, close their sockets once the transaction commits.

    Returns how many this call ended. The rows are marked even when AWS cannot be reached: a
    message of a socket that stayed open is then refused. Failures of AWS are logged, never raised, and
    those of one endpoint keep no socket of another one open.
    """
    found = sessions.using(router.db_for_write(WebSocketSession)).filter(connected=True)
    ended = end_each(found.select_related("api_gateway"), reason=reason)
    close = partial(_close_and_log, ended)
    if ended and not run_after_commit(close, model=WebSocketSession):
        close()
    return len(ended)


def disconnect(sessions: Iterable[WebSocketSession], *, reason: str = "revoked") -> Closing:
    """End connections and close their sockets now. Says what happened; no failure of AWS is raised."""
    chosen = list(sessions)
    end_each(chosen, reason=reason)
    return _close(chosen)


def _close_and_log(sessions: Sequence[WebSocketSession]) -> None:
    for connection_id, why in _close(sessions).failed.items():
        logger.warning(
            "a socket could not be closed: %s",
            why,
            extra={"connection_id": connection_id, "event": "close_failed"},
        )


def _close(sessions: Sequence[WebSocketSession]) -> Closing:
    from websocket_gateway.aws.connections import get_connections

    groups, failed = _by_endpoint(sessions)
    close = partial(_close_at, get_connections())
    if len(groups) > 1:
        with ThreadPoolExecutor(min(len(groups), _ENDPOINTS_AT_ONCE), "websocket-gateway-close") as pool:
            results = list(pool.map(close, groups.keys(), groups.values()))
    else:
        results = [close(endpoint, ids) for endpoint, ids in groups.items()]
    for result in results:
        failed.update(result.failed)
    return Closing(
        closed=sum(result.closed for result in results),
        gone=sum(result.gone for result in results),
        failed=failed,
    )


def _by_endpoint(
    sessions: Sequence[WebSocketSession],
) -> tuple[dict[ManagementEndpoint, list[str]], dict[str, str]]:
    """The connection ids of each endpoint, and why there is none for the others."""
    addresses: dict[int, ManagementEndpoint | str] = {}
    groups: dict[ManagementEndpoint, list[str]] = defaultdict(list)
    failed: dict[str, str] = {}
    for session in sessions:
        key = session.api_gateway_id
        if key not in addresses:
            addresses[key] = _find_address(session.api_gateway)
        address = addresses[key]
        if isinstance(address, str):
            failed[session.connection_id] = address
        else:
            groups[address].append(session.connection_id)
    return groups, failed


def _find_address(gateway: ApiGateway) -> ManagementEndpoint | str:
    from websocket_gateway.connections.endpoints import endpoint_of

    try:
        return endpoint_of(gateway)
    except (WebSocketGatewayError, ConfigurationError) as exc:
        return str(exc)
    except Exception as exc:
        # A row can hold anything, and must not keep the sockets of others open.
        logger.exception("The address of the gateway %r cannot be found out.", gateway.api_name)
        return f"unexpected {type(exc).__name__} about the gateway {gateway.api_name!r}"


def _close_at(adapter: Connections, endpoint: ManagementEndpoint, connection_ids: list[str]) -> Closing:
    """Close the sockets of one endpoint; the first that gets no answer is the last that is asked for."""
    from websocket_gateway.aws.engines.outcomes import reason_of

    closed = gone = 0
    failed: dict[str, str] = {}
    unreachable = ""
    for connection_id in connection_ids:
        if unreachable:
            failed[connection_id] = unreachable
            continue
        try:
            adapter.delete(endpoint, connection_id)
        except ConnectionGoneError:
            gone += 1
        except Exception as exc:  # noqa: BLE001 - an adapter can be anybody's, and other sockets must be closed
            failed[connection_id] = reason_of(exc, endpoint)
            if isinstance(exc, (EndpointUnreachableError, ConfigurationError)):
                unreachable = failed[
                    connection_id
                ]  # no answer or no credentials: the next would wait as long
        else:
            closed += 1
    return Closing(closed=closed, gone=gone, failed=failed)
