"""Asks about many connections at once: side by side, paced, and not for long where nobody answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from websocket_gateway.aws.connections import Connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Outcome, Pace, Recipient, Status
from websocket_gateway.aws.engines.outcomes import reason_of
from websocket_gateway.exceptions import ConfigurationError, ConnectionGoneError, WebSocketGatewayError

_MAX_THREADS = 16
_GIVEN_UP_AFTER = 16
"""So many failures in a row, and nothing else, end the questions to an endpoint."""


class Asking:
    """GetConnection for many; used by one thread, in a `with` block."""

    def __init__(self, *, connections: Connections, concurrency: int, max_per_second: float) -> None:
        self._connections = connections
        self._pool = ThreadPoolExecutor(
            min(concurrency, _MAX_THREADS), thread_name_prefix="websocket-gateway-ask"
        )
        self._pace = Pace(max_per_second)
        self._failures: Counter[ManagementEndpoint] = Counter()

    def __enter__(self) -> Asking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def ask(self, recipients: Iterable[Recipient]) -> Iterator[Outcome]:
        """One outcome for each: DELIVERED is open, GONE is closed, FAILED is not known, and why."""
        begun = []
        for recipient in recipients:
            while pause := self._pace.take(time.monotonic()):
                time.sleep(pause)
            begun.append(self._pool.submit(self._ask, recipient))
        for future in begun:
            yield future.result()

    def _ask(self, recipient: Recipient) -> Outcome:
        endpoint = recipient.endpoint
        if self._failures[endpoint] >= _GIVEN_UP_AFTER:
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
