"""Asks AWS about many connections at once, paced; an endpoint that does not answer is given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from websocket_gateway.aws.connections import Connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Outcome, Recipient, Status
from websocket_gateway.aws.engines.outcomes import reason_of
from websocket_gateway.aws.pacing import Pace
from websocket_gateway.exceptions import ConfigurationError, ConnectionGoneError, WebSocketGatewayError

_MAX_THREADS = 16
_MAX_FAILURES = 16
"""After so many failures in a row an endpoint is not called again."""


class Lookups:
    """GetConnection for many; used by one thread, in a `with` block."""

    def __init__(self, *, connections: Connections, concurrency: int, max_per_second: float) -> None:
        self._connections = connections
        self._pool = ThreadPoolExecutor(
            min(concurrency, _MAX_THREADS), thread_name_prefix="websocket-gateway-lookup"
        )
        self._pace = Pace(max_per_second)
        self._failures: Counter[ManagementEndpoint] = Counter()

    def __enter__(self) -> Lookups:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def ask(self, recipients: Iterable[Recipient]) -> Iterator[Outcome]:
        """One outcome for each: DELIVERED is open, GONE is closed, FAILED is unknown, with the reason."""
        begun = []
        for recipient in recipients:
            self._pace.wait()
            begun.append(self._pool.submit(self._ask, recipient))
        for future in begun:
            yield future.result()

    def _ask(self, recipient: Recipient) -> Outcome:
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
