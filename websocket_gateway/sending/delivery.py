"""The delivery of one message: rows become posts, and outcomes become figures and ended sessions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from websocket_gateway.aws.connections import Connections, get_connections
from websocket_gateway.aws.engines import open_engine
from websocket_gateway.aws.engines.base import Engine, Limits, Outcome, Recipient, Status
from websocket_gateway.concurrency import reconnect_when_away
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.ending import end_gone_after_sending
from websocket_gateway.connections.endpoints import EndpointMap
from websocket_gateway.connections.sessions import Row, is_too_young
from websocket_gateway.sending.measuring import Measures
from websocket_gateway.sending.reports import DeliveryReport, Tally

ENGINES = ("auto", "asyncio", "boto3")
_GONE_BATCH = 500
_PROGRESS_SECONDS = 0.1

OnProgress = Callable[[DeliveryReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How to send, where it differs from the settings; None takes the setting."""

    engine: str | None = None
    """`auto`, `asyncio` or `boto3`."""
    concurrency: int | None = None
    """Posts at the same time."""
    max_per_second: float | None = None
    """Posts per second; 0 means no limit."""
    resume_after: int = 0
    """Send only to sessions with a higher primary key: the `last_key` of a `DeliveryInterruptedError`."""

    def __post_init__(self) -> None:
        if self.engine is not None and self.engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, not {self.engine!r}.")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency must be 1 or above, not {self.concurrency!r}.")
        if self.max_per_second is not None and self.max_per_second < 0:
            raise ValueError(f"max_per_second must be 0 (no limit) or above, not {self.max_per_second!r}.")

    @property
    def chosen_engine(self) -> str:
        """The engine, from the settings if it is None."""
        return self.engine or get_settings().send_engine

    def limits(self, *, urgent: bool = False) -> Limits:
        """The limits, from the settings where one is None; `urgent` ones end earlier."""
        settings = get_settings()
        pace = settings.send_max_per_second if self.max_per_second is None else self.max_per_second
        return Limits(
            concurrency=self.concurrency or settings.send_concurrency,
            max_per_second=pace,
            timeout_seconds=settings.send_timeout_seconds,
            deadline_seconds=settings.deadline_seconds(urgent=urgent),
            urgent=urgent,
        )


class Delivery:
    """Hand pages of rows to an engine, and count the outcomes in `tally`.

    `using` is the database of the rows. `on_settled` gets the connection id of each outcome, `on_progress`
    the figures about ten times a second.
    """

    def __init__(
        self,
        data: bytes,
        *,
        using: str,
        tally: Tally,
        engine: str,
        limits: Limits,
        connections: Connections | None = None,
        on_settled: Callable[[str], object] | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._data = data
        self._tally = tally
        self._engine_name = engine
        self._limits = limits
        self._connections = connections or get_connections()
        self._on_settled = on_settled
        self._on_progress = on_progress
        self._engine: Engine | None = None
        self._process = os.getpid()
        self._reported_on = time.monotonic()
        self._using = using
        self._endpoints = EndpointMap(using)
        self._keys: dict[str, int] = {}
        self._gone: dict[int, str] = {}
        self._measures = Measures(tally, self._keys, urgent=limits.urgent)

    @property
    def inherited(self) -> bool:
        """Whether a callback forked this process while it was sending. Only the parent goes on."""
        return os.getpid() != self._process

    def post(self, rows: list[Row]) -> None:
        """Begin to send a page; return when the engine can take the next one."""
        gateways = {row.gateway_id for row in rows}
        reconnect_when_away(
            lambda: self._endpoints.load(gateways, strict=not self._tally.total), using=self._using
        )
        page = list(self._addressed(rows))
        if page and self._engine is None:
            self._engine = open_engine(
                self._engine_name, first_page=page, connections=self._connections, limits=self._limits
            )
            self._tally.engine = self._engine.name
        if self._engine is not None:
            self._fold(self._engine.send(page, self._data))
        self._measures.count()

    def set_pace(self, max_per_second: float) -> None:
        """Continue at another pace; 0 means no limit."""
        if self._engine is not None:
            self._engine.set_pace(max_per_second)

    def drain(self) -> None:
        """Wait for all outstanding outcomes."""
        if self._engine is not None:
            self._fold(self._engine.drain())
        self._measures.count()

    def stop(self) -> None:
        """Send nothing more, count the posts in flight, mark the gone sessions as ended. The last call."""
        if self.inherited:
            return  # the engine's threads exist in the parent only
        try:
            if self._engine is not None:
                self._fold(self._engine.stop())
        finally:
            self._measures.finish()
            self.mark_gone()

    def _addressed(self, rows: list[Row]) -> Iterator[Recipient]:
        for pk, connection_id, gateway_id, connected_on, stage_name in rows:
            endpoint = self._endpoints.find(gateway_id, stage_name)
            if isinstance(endpoint, str):
                self._tally.fail(connection_id, endpoint)
                if self._on_settled:
                    self._on_settled(connection_id)
            else:
                self._keys[connection_id] = pk
                yield Recipient(endpoint, connection_id, connected_on)

    def _fold(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            key = self._keys.pop(outcome.recipient.connection_id, None)
            if outcome.status is Status.GONE:
                self._fold_gone(outcome, key)
            else:
                self._tally.add(outcome)
            if self._on_settled:
                self._on_settled(outcome.recipient.connection_id)
            if self._on_progress and time.monotonic() - self._reported_on >= _PROGRESS_SECONDS:
                self._on_progress(self._tally.report())
                self._reported_on = time.monotonic()
            if self.inherited:
                raise RuntimeError(
                    "This process was forked by a callback while it was sending. The parent goes on sending; "
                    "the child must end in the callback, for example with os._exit()."
                )

    def _fold_gone(self, outcome: Outcome, key: int | None) -> None:
        to = outcome.recipient
        if is_too_young(to.connected_on):
            seconds = get_settings().connect_grace_seconds
            self._tally.fail(to.connection_id, f"gone or not open yet: connected less than {seconds} s ago")
            return
        self._tally.add(outcome)
        if key is not None:
            self._gone[key] = to.connection_id
        if len(self._gone) >= _GONE_BATCH:
            self.mark_gone()

    def mark_gone(self) -> None:
        """Mark the sessions found gone as ended; raises nothing."""
        if self._gone:
            found, self._gone = self._gone, {}
            end_gone_after_sending(found, using=self._using)
