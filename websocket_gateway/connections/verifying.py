"""Ask AWS whether connections are open, and end those that are not: for the admin and for the purge."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from django.db import router

from websocket_gateway.aws.connections import Connections, get_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Outcome, Recipient, Status
from websocket_gateway.aws.engines.outcomes import reason_of
from websocket_gateway.aws.pacing import Pace
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.ending import end_gone
from websocket_gateway.connections.endpoints import EndpointMap
from websocket_gateway.connections.sessions import Row, database_of, is_too_young, row_of
from websocket_gateway.exceptions import ConfigurationError, ConnectionGoneError, WebSocketGatewayError
from websocket_gateway.models import WebSocketSession
from websocket_gateway.no_fork import ThreadPool

_MAX_THREADS = 16
_MAX_FAILURES = 16
"""After so many failures in a row an endpoint is not called again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What AWS answered."""

    open: int = 0
    closed: int = 0
    """Sockets that are closed."""
    ended: int = 0
    """Sessions of closed sockets that this call marked as ended; the others had ended meanwhile."""
    too_young: int = 0
    """Sessions that AWS calls closed, but which might not be open yet; see `sessions.grace_began`."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Why the state of some is unknown: reason -> number."""

    @property
    def answered(self) -> int:
        """How many AWS answered about."""
        return self.open + self.closed + self.too_young


def verify(sessions: Iterable[WebSocketSession]) -> Verification:
    """Ask AWS about each of `sessions`, and end those whose sockets are closed. Raises no failure of AWS."""
    by_database: dict[str, list[WebSocketSession]] = defaultdict(list)
    for session in sessions:
        by_database[database_of(session)].append(session)
    found = [_verify_in(using, some) for using, some in by_database.items()]
    return Verification(
        open=sum(part.open for part in found),
        closed=sum(part.closed for part in found),
        ended=sum(part.ended for part in found),
        too_young=sum(part.too_young for part in found),
        unknown=sum((Counter(part.unknown) for part in found), Counter()),
    )


def _verify_in(using: str, sessions: list[WebSocketSession]) -> Verification:
    with Verifier(using=using) as verifier:
        verifier.endpoints.load_of(sessions)  # the caller may have loaded them already
        return verifier.verify([row_of(session) for session in sessions])


class Verifier:
    """Verifies rows page by page: with one pace, and each gateway looked up once. Used in a `with` block."""

    def __init__(self, *, using: str | None = None) -> None:
        options = get_settings()
        self._using = using or router.db_for_write(WebSocketSession)
        self.endpoints = EndpointMap(self._using)
        self._lookups = _Lookups(
            connections=get_connections(),
            concurrency=options.send_concurrency,
            max_per_second=options.send_max_per_second,
        )

    def __enter__(self) -> Verifier:
        self._lookups.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lookups.__exit__(kind, error, trace)

    def verify(self, rows: Sequence[Row]) -> Verification:
        """Ask AWS about each of `rows`, and end those whose sockets are closed."""
        keys = {row.connection_id: row.pk for row in rows}
        unknown: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        gone: dict[int, str] = {}
        for outcome in self._look_up(rows, unknown):
            if outcome.status is Status.FAILED:
                unknown[outcome.reason] += 1
            elif outcome.status is Status.DELIVERED:
                counts["open"] += 1
            elif is_too_young(outcome.recipient.connected_on):
                counts["too_young"] += 1
            else:
                connection_id = outcome.recipient.connection_id
                gone[keys[connection_id]] = connection_id
        return Verification(
            open=counts["open"],
            closed=len(gone),
            ended=end_gone(gone, using=self._using) if gone else 0,
            too_young=counts["too_young"],
            unknown=unknown,
        )

    def _look_up(self, rows: Sequence[Row], unknown: Counter[str]) -> Iterator[Outcome]:
        self.endpoints.load(row.gateway_id for row in rows)
        found = []
        for row in rows:
            endpoint = self.endpoints.find(row.gateway_id, row.stage_name)
            if isinstance(endpoint, str):
                unknown[endpoint] += 1
            else:
                found.append(Recipient(endpoint, row.connection_id, row.connected_on))
        return self._lookups.get_all(found)


class _Lookups:
    """GetConnection for many; used by one thread, in a `with` block."""

    def __init__(self, *, connections: Connections, concurrency: int, max_per_second: float) -> None:
        self._connections = connections
        self._pool = ThreadPool(min(concurrency, _MAX_THREADS), "websocket-gateway-lookup")
        self._pace = Pace(max_per_second)
        self._failures: Counter[ManagementEndpoint] = Counter()

    def __enter__(self) -> _Lookups:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def get_all(self, recipients: Iterable[Recipient]) -> Iterator[Outcome]:
        """One outcome for each: DELIVERED is open, GONE is closed, FAILED is unknown, with the reason."""
        begun = []
        for recipient in recipients:
            self._pace.wait()
            begun.append(self._pool.submit(self._get, recipient))
        for future in begun:
            yield future.result()

    def _get(self, recipient: Recipient) -> Outcome:
        endpoint = recipient.endpoint
        if self._failures[endpoint] >= _MAX_FAILURES:
            return Outcome(recipient, Status.FAILED, f"{endpoint.url} was given up")
        try:
            self._connections.get(endpoint, recipient.connection_id)
        except ConnectionGoneError:
            self._failures[endpoint] = 0
            return Outcome(recipient, Status.GONE)
        except (WebSocketGatewayError, ConfigurationError) as exc:
            self._failures[endpoint] += 1
            return Outcome(recipient, Status.FAILED, reason_of(exc, endpoint))
        self._failures[endpoint] = 0
        return Outcome(recipient, Status.DELIVERED)
