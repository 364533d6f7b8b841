"""Ask AWS about connections that may be alive."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from websocket_gateway.connections.sessions import Row, grace_began, oldest_alive
from websocket_gateway.connections.verifying import Verifier
from websocket_gateway.models import WebSocketSession
from websocket_gateway.purging.old_rows import read_pages
from websocket_gateway.purging.report import Part, Run

_PAGE = 200
_NAMES = ("connection_id", "api_gateway_id", "stage_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOpen:
    """Ask AWS about every open session, and end those whose sockets are closed.

    Sessions that might not be open yet are left out; see `grace_began`.
    """

    now: datetime
    part: Part = Part.SESSIONS
    name: str = "sessions_verified"
    name_of_ended: str = "sessions_ended_gone"

    def count(self) -> int:
        """The number of sessions to verify now."""
        return self._query().count()

    def do(self, run: Run) -> None:
        """Ask AWS, and end the sessions whose sockets are closed."""
        run.counts[self.name_of_ended] += 0
        unknown: Counter[str] = Counter()
        with Verifier() as verifier:
            for page in read_pages(self._query(), along="created_on", names=_NAMES, size=_PAGE):
                if run.is_over():
                    break
                found = verifier.verify(
                    [Row(pk, name, gateway, since, stage) for pk, since, name, gateway, stage in page]
                )
                run.counts[self.name] += found.answered
                run.counts[self.name_of_ended] += found.ended
                unknown.update(found.unknown)
        for reason, count in unknown.items():
            run.problems.append(f"{count} session{'s' * (count != 1)} not verified: {reason}")

    def _query(self) -> QuerySet[WebSocketSession]:
        return WebSocketSession.objects.filter(
            connected=True,
            created_on__gte=oldest_alive(self.now),
            created_on__lte=grace_began(self.now),
        )
