"""Close sockets: the only code that has AWS do so. Each endpoint is called separately.

`revoke` is for code that may run in a transaction, such as a signal receiver: it returns how many connections
ended, because whether their sockets could be closed is known only after the commit. `disconnect` does not
wait for a commit, so it can return a `Closing`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty

from django.db.models import QuerySet

from websocket_gateway.aws.connections import Connections, get_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.boto3_threads import ThreadPool
from websocket_gateway.aws.engines.circuit_breaker import circuit_breaker
from websocket_gateway.aws.engines.outcomes import reason_of
from websocket_gateway.concurrency import run_after_commit
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.ending import ending
from websocket_gateway.connections.endpoints import EndpointMap
from websocket_gateway.connections.sessions import database_of, database_of_query
from websocket_gateway.exceptions import ConfigurationError, ConnectionGoneError, EndpointUnreachableError
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import WebSocketSession
from websocket_gateway.no_fork import ThreadPool as EndpointPool
from websocket_gateway.web_requests import in_web_request

logger = get_logger("websocket_gateway.connections")

_ENDPOINTS_AT_ONCE = 8
"""In parallel, so that an endpoint that does not answer does not delay the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What happened to the sockets."""

    closed: int = 0
    gone: int = 0
    """Sockets that were closed already."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Sockets that may still be open: connection id -> reason. Their next message is refused."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """Reasons of the failures: reason -> number, the most frequent first."""
        return dict(Counter(self.failed.values()).most_common())


def revoke(sessions: QuerySet[WebSocketSession], *, reason: str = "revoked") -> int:
    """End connections: mark their rows now, close their sockets once the surrounding transaction commits.

    Returns how many connections this call ended, in a transaction and without one. The rows are marked even
    if AWS cannot be reached; the next message of a socket that stayed open is refused. Failures of AWS are
    logged, never raised. A failure at one endpoint does not keep the sockets of another one open. If the
    database fails, its error is raised after the sockets of the rows that were marked are closed.
    """
    using = database_of_query(sessions)
    found = sessions.using(using).filter(connected=True).select_related("api_gateway")
    with ending(found, reason=reason, using=using) as ended:
        close = partial(_close_and_log, ended)
        if ended and not run_after_commit(close, model=WebSocketSession, using=using):
            close()
    return len(ended)


def disconnect(sessions: Iterable[WebSocketSession], *, reason: str = "revoked") -> Closing:
    """End connections and close their sockets now, also inside a transaction, and return what happened.

    The sockets of sessions that had ended already are closed too. Failures of AWS are never raised. If the
    database fails, its error is raised after the sockets are closed.
    """
    using = database_of_query(sessions) if isinstance(sessions, QuerySet) else None
    chosen = list(sessions)
    with ending(chosen, reason=reason, using=using):
        return _close(chosen)


def _close_and_log(sessions: Sequence[WebSocketSession]) -> None:
    for connection_id, why in _close(sessions).failed.items():
        logger.warning(
            "a socket could not be closed: %s",
            why,
            extra={"connection_id": connection_id, "event": "close_failed"},
        )


def _close(sessions: Sequence[WebSocketSession]) -> Closing:
    groups, failed = _by_endpoint(sessions)
    close = partial(_close_urgently if in_web_request() else _close_at, get_connections())
    if len(groups) > 1:
        with EndpointPool(min(len(groups), _ENDPOINTS_AT_ONCE), "websocket-gateway-close") as pool:
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
    groups: dict[ManagementEndpoint, list[str]] = defaultdict(list)
    failed: dict[str, str] = {}
    by_database: dict[str, list[WebSocketSession]] = defaultdict(list)
    for session in sessions:
        by_database[session._state.db or database_of(session)].append(session)
    for using, some in by_database.items():
        endpoints = EndpointMap(using)
        endpoints.load_of(some)
        for session in some:
            endpoint = endpoints.find(session.api_gateway_id, session.stage_name)
            if isinstance(endpoint, str):
                failed[session.connection_id] = endpoint
            else:
                groups[endpoint].append(session.connection_id)
    return groups, failed


def _close_urgently(adapter: Connections, endpoint: ManagementEndpoint, connection_ids: list[str]) -> Closing:
    """As `_close_at`, where a user waits: no call is waited for beyond `REQUEST_SEND_DEADLINE_SECONDS`."""
    breaker = circuit_breaker()
    if why := breaker.why_open(endpoint.url):
        return Closing(failed=dict.fromkeys(connection_ids, why))
    urgent = _UrgentConnections(adapter, endpoint)
    try:
        result = _close_at(urgent, endpoint, connection_ids)
    finally:
        urgent.stop()
    if urgent.silent:
        breaker.trip(endpoint.url)
    else:
        breaker.reset(endpoint.url)
    return result


class _UrgentConnections:
    """Calls `delete` in a thread, which is left to itself when it takes too long."""

    def __init__(self, adapter: Connections, endpoint: ManagementEndpoint) -> None:
        self._pool: ThreadPool[str] = ThreadPool(partial(adapter.delete, endpoint), most=1)
        self._seconds = get_settings().deadline_seconds(urgent=True)
        self.silent = False

    def delete(self, endpoint: ManagementEndpoint, connection_id: str) -> None:
        """As `Connections.delete`; `EndpointUnreachableError` once the time is over."""
        self._pool.put(connection_id)
        try:
            _, error = self._pool.take(self._seconds)
        except Empty:
            error = EndpointUnreachableError(f"DeleteConnection: no answer within {self._seconds} s.")
        if error is not None:
            self.silent = isinstance(error, EndpointUnreachableError)
            raise error

    def stop(self) -> None:
        """End the thread; one that waits for a silent endpoint ends by itself."""
        self._pool.stop(0.0 if self.silent else None)
        self._pool.wait_until_gone()


def _close_at(
    adapter: Connections | _UrgentConnections, endpoint: ManagementEndpoint, connection_ids: list[str]
) -> Closing:
    """Close the sockets of one endpoint, which is not called again once it does not answer."""
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
        except Exception as exc:  # noqa: BLE001 - the adapter may be a project's own; close the other sockets
            reason = failed[connection_id] = reason_of(exc, endpoint)
            if isinstance(exc, (EndpointUnreachableError, ConfigurationError)):
                unreachable = reason  # the next call would wait as long
        else:
            closed += 1
    return Closing(closed=closed, gone=gone, failed=failed)
