"""Ask AWS about connections that may be alive."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import QuerySet

from websocket_gateway.aws.connections import get_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Recipient, Status
from websocket_gateway.aws.lookups import Asking
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.ending import end_gone
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.connections.sessions import oldest_alive
from websocket_gateway.exceptions import ConfigurationError, GatewayMissingError
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.purging.old_rows import Row, read_pages
from websocket_gateway.purging.report import Part, Run

_PAGE = 200
_NAMES = ("connection_id", "api_gateway_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOpen:
    """Ask AWS about every open session, and end those that are gone.

    Sessions within the connect grace are left out: AWS reports them as gone until `$connect` is answered.
    """

    now: datetime
    part: Part = Part.SESSIONS
    name: str = "sessions_asked_about"
    name_of_ended: str = "sessions_ended_gone"

    def count(self) -> int:
        """The number of sessions to ask about now."""
        return self._query().count()

    def do(self, run: Run) -> None:
        """Ask AWS, and end the sessions that are gone."""
        run.counts[self.name_of_ended] += 0
        options = get_settings()
        endpoints = _Endpoints()
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
                self._ask(rows, endpoints, asking, run, failed)
        for why, count in failed.items():
            run.problems.append(f"{count} session{'s' * (count != 1)} not verified: {why}")

    def _ask(
        self, rows: list[Row], endpoints: _Endpoints, asking: Asking, run: Run, failed: Counter[str]
    ) -> None:
        keys: dict[str, int] = {}
        recipients: list[Recipient] = []
        for pk, created_on, connection_id, gateway_id in rows:
            endpoint = endpoints.find(gateway_id)
            if isinstance(endpoint, str):
                failed[endpoint] += 1
            else:
                keys[connection_id] = pk
                recipients.append(Recipient(endpoint, connection_id, created_on))
        gone = []
        for answer in asking.ask(recipients):
            if answer.status is Status.FAILED:
                failed[answer.reason] += 1
                continue
            run.counts[self.name] += 1
            if answer.status is Status.GONE:
                gone.append(keys[answer.recipient.connection_id])
        if gone:
            run.counts[self.name_of_ended] += end_gone(gone)

    def _query(self) -> QuerySet[WebSocketSession]:
        old_enough = self.now - timedelta(seconds=get_settings().connect_grace_seconds)
        return WebSocketSession.objects.filter(
            connected=True, created_on__gte=oldest_alive(self.now), created_on__lt=old_enough
        )


@dataclass(slots=True)
class _Endpoints:
    """The endpoint of each gateway, or the reason why it has none."""

    _known: dict[int, ManagementEndpoint | str] = field(default_factory=dict)

    def find(self, gateway_id: int) -> ManagementEndpoint | str:
        """The endpoint, or the reason as text. Looks each gateway up once."""
        if gateway_id not in self._known:
            self._known[gateway_id] = self._look_up(gateway_id)
        return self._known[gateway_id]

    def _look_up(self, gateway_id: int) -> ManagementEndpoint | str:
        try:
            return endpoint_of(ApiGateway.objects.get(pk=gateway_id))
        except ApiGateway.DoesNotExist:
            return "the gateway's row was deleted meanwhile"
        except (GatewayMissingError, ConfigurationError) as exc:
            return str(exc)
