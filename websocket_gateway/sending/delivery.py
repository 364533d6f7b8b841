"""One message on its way: rows become posts, and outcomes become figures and ended sessions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from websocket_gateway.aws.connections import Connections, get_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines import open_engine
from websocket_gateway.aws.engines.base import Engine, Limits, Outcome, Recipient, Status
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.connections.sessions import send_safely
from websocket_gateway.exceptions import GatewayMissingError, MissingRegionError
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending.paging import Row
from websocket_gateway.sending.reports import DeliveryReport, Tally
from websocket_gateway.signals import connection_gone

ENGINES = ("auto", "asyncio", "boto3")
_GONE_BATCH = 500
_PROGRESS_SECONDS = 0.1

OnProgress = Callable[[DeliveryReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How to send, where it shall differ from the settings; None is what the settings say."""

    engine: str | None = None
    """`auto`, `asyncio` or `boto3`."""
    concurrency: int | None = None
    """Posts under way at a time."""
    max_per_second: float | None = None
    """Posts a second; 0 is no limit."""

    def __post_init__(self) -> None:
        if self.engine is not None and self.engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, not {self.engine!r}.")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency must be above zero, not {self.concurrency!r}.")
        if self.max_per_second is not None and self.max_per_second < 0:
            raise ValueError(f"max_per_second must be 0 (no limit) or above, not {self.max_per_second!r}.")

    @property
    def chosen_engine(self) -> str:
        """The engine, with the setting in place of None."""
        return self.engine or get_settings().send_engine

    def limits(self) -> Limits:
        """The limits, with the settings in place of None."""
        settings = get_settings()
        pace = settings.send_max_per_second if self.max_per_second is None else self.max_per_second
        return Limits(
            concurrency=self.concurrency or settings.send_concurrency,
            max_per_second=pace,
            timeout_seconds=settings.send_timeout_seconds,
            deadline_seconds=settings.send_deadline_seconds,
        )


class Delivery:
    """Hands pages of rows to an engine and folds what comes back into `tally`.

    `on_settled` gets the connection id of each outcome, `on_progress` the figures about ten times a second.
    """

    def __init__(
        self,
        data: bytes,
        *,
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
        self._told = time.monotonic()
        self._targets: dict[int, ManagementEndpoint | str] = {}
        self._gone: list[str] = []
        self._grace = timedelta(seconds=get_settings().connect_grace_seconds)

    @property
    def inherited(self) -> bool:
        """Whether this process was forked by a callback in the middle of the run. The run is the parent's."""
        return os.getpid() != self._process

    def post(self, rows: list[Row]) -> None:
        """Take a page on; returns when there is room for the next one."""
        self._learn_targets(rows)
        page = list(self._addressed(rows))
        if page and self._engine is None:
            self._engine = open_engine(
                self._engine_name, first_page=page, connections=self._connections, limits=self._limits
            )
            self._tally.engine = self._engine.name
        if self._engine is not None:
            self._fold(self._engine.send(page, self._data))

    def set_pace(self, max_per_second: float) -> None:
        """Go on at another pace; 0 is no limit."""
        if self._engine is not None:
            self._engine.set_pace(max_per_second)

    def drain(self) -> None:
        """Wait for every outcome that is still to come."""
        if self._engine is not None:
            self._fold(self._engine.drain())

    def stop(self) -> None:
        """Begin nothing more, fold what had been begun, and end what was found gone; the last call."""
        if self.inherited:
            return  # the threads that would answer exist in the parent alone
        try:
            if self._engine is not None:
                self._fold(self._engine.stop())
        finally:
            self.mark_gone()

    def _learn_targets(self, rows: list[Row]) -> None:
        unknown = {row.gateway_id for row in rows} - self._targets.keys()
        for pk, gateway in ApiGateway.objects.in_bulk(unknown).items() if unknown else ():
            try:
                self._targets[pk] = endpoint_of(gateway)
            except GatewayMissingError as exc:
                self._targets[pk] = str(exc)
            except MissingRegionError as exc:
                if not self._tally.total:
                    raise
                self._targets[pk] = str(exc)

    def _addressed(self, rows: list[Row]) -> Iterator[Recipient]:
        for _pk, connection_id, gateway_id, connected_on in rows:
            target = self._targets.get(gateway_id, "the gateway's row was deleted meanwhile")
            if isinstance(target, str):
                self._tally.fail(connection_id, target)
                if self._on_settled:
                    self._on_settled(connection_id)
            else:
                yield Recipient(target, connection_id, connected_on)

    def _fold(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.status is Status.GONE:
                self._fold_gone(outcome)
            else:
                self._tally.add(outcome)
            if self._on_settled:
                self._on_settled(outcome.recipient.connection_id)
            if self._on_progress and time.monotonic() - self._told >= _PROGRESS_SECONDS:
                self._on_progress(self._tally.report())
                self._told = time.monotonic()
            if self.inherited:
                raise RuntimeError(
                    "This process was forked by a callback while it was sending. The parent goes on sending; "
                    "the child must end in the callback, for example with os._exit()."
                )

    def _fold_gone(self, outcome: Outcome) -> None:
        to = outcome.recipient
        # While `$connect` is still being answered the service says "gone" too.
        if timezone.now() - to.connected_on < self._grace:
            seconds = int(self._grace.total_seconds())
            self._tally.fail(to.connection_id, f"gone or not open yet: connected less than {seconds} s ago")
            return
        self._tally.add(outcome)
        self._gone.append(to.connection_id)
        if len(self._gone) >= _GONE_BATCH:
            self.mark_gone()

    def mark_gone(self) -> None:
        """End the sessions found gone, in one statement; by connection id, which is never used again."""
        if not self._gone:
            return
        found, self._gone = tuple(self._gone), []
        ended = WebSocketSession.objects.filter(connection_id__in=found, connected=True)
        retry_when_busy(
            lambda: ended.update(connected=False, disconnected_on=timezone.now()), model=WebSocketSession
        )
        send_safely(connection_gone, sender=WebSocketSession, connection_ids=found)
