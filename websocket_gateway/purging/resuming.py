"""Broadcasts that somebody died on."""

from __future__ import annotations

from dataclasses import dataclass

from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.purging.report import Part, Run
from websocket_gateway.sending.runs import resume_expired_shards
from websocket_gateway.sending.shards import free_shards
from websocket_gateway.task_queue import background_backend


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeShards:
    """Have the task queue take up shards whose lease has expired; without a queue there is nobody to."""

    part: Part = Part.BROADCASTS
    name: str = "shards_resumed"

    def count(self) -> int:
        """How many there are now that a queue could take."""
        if background_backend() is None:
            return 0
        return int(free_shards().filter(lease_expires_on__isnull=False).count())

    def do(self, run: Run) -> None:
        """Enqueue them."""
        try:
            run.counts[self.name] += resume_expired_shards()
        except (WebSocketGatewayError, ConfigurationError) as exc:
            run.problems.append(f"broadcasts were not resumed: {exc}")
