"""Asks AWS about connections that could be alive."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from websocket_gateway.aws.connections import get_connections
from websocket_gateway.aws.engines.base import Recipient, Status
from websocket_gateway.aws.lookups import Asking
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.ending import end_gone
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.connections.sessions import oldest_alive
from websocket_gateway.exceptions import ConfigurationError, GatewayMissingError
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.purging.batches import read_pages
from websocket_gateway.purging.report import Part, Run

_PAGE = 200
_NAMES = ("connection_id", "api_gateway_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOpen:
    """Ask AWS about every open session, and end those that are gone.

    Not about those within the connect grace: while `$connect` is being answered, AWS calls them gone.
    """

    now: datetime
    part: Part = Part.SESSIONS
    name: str = "sessions_asked_about"
    name_of_ended: str = "sessions_ended_gone"

    def count(self) -> int:
        """How many would be asked about now."""
        return self._query().count()

    def do(self, run: Run) -> None:
        """Ask, and end them."""
        run.counts[self.name_of_ended] += 0
        options = get_settings()
        book = _AddressBook()
        asking = Asking(
            connections=get_connections(),
            concurrency=options.send_concurrency,
            max_per_second=options.send_max_per_second,
        )
        failed: Counter[str] = Counter()
        with asking:
            for rows in read_pages(self._query(), along="created_on", names=_NAMES, size=_PAGE):
                if run.is_over():
                    break
                self._ask(rows, book, asking, run, failed)
        for why, count in failed.items():
            run.problems.append(f"{count} session{'s' * (count != 1)} not verified: {why}")

    def _ask(
        self, rows: list[tuple[Any, ...]], book: _AddressBook, asking: Asking, run: Run, failed: Counter[str]
    ) -> None:
        keys: dict[str, int] = {}
        questions: list[Recipient] = []
        for pk, created_on, connection_id, gateway_id in rows:
            address = book.find(gateway_id)
            if isinstance(address, str):
                failed[address] += 1
            else:
                keys[connection_id] = pk
                questions.append(Recipient(address, connection_id, created_on))
        gone = []
        for answer in asking.ask(questions):
            if answer.status is Status.FAILED:
                failed[answer.reason] += 1
                continue
            run.counts[self.name] += 1
            if answer.status is Status.GONE:
                gone.append(keys[answer.recipient.connection_id])
        if gone:
            run.counts[self.name_of_ended] += end_gone(gone)

    def _query(self) -> QuerySet[WebSocketSession]:
        grown_up = self.now - timedelta(seconds=get_settings().connect_grace_seconds)
        return WebSocketSession.objects.filter(
            connected=True, created_on__gte=oldest_alive(self.now), created_on__lt=grown_up
        )


@dataclass(slots=True)
class _AddressBook:
    """Where each gateway is asked, or why it cannot be."""

    _known: dict[int, Any] = field(default_factory=dict)

    def find(self, gateway_id: int) -> Any:
        """A `ManagementEndpoint`, or words."""
        if gateway_id not in self._known:
            self._known[gateway_id] = self._look_up(gateway_id)
        return self._known[gateway_id]

    def _look_up(self, gateway_id: int) -> Any:
        try:
            return endpoint_of(ApiGateway.objects.get(pk=gateway_id))
        except ApiGateway.DoesNotExist:
            return "the gateway's row was deleted meanwhile"
        except (GatewayMissingError, ConfigurationError) as exc:
            return str(exc)
