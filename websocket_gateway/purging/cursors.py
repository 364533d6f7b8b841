"""Acknowledgements that count for nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import models, router

from websocket_gateway.models import Channel, ChannelCursor
from websocket_gateway.purging.old_rows import delete_batch, read_pages
from websocket_gateway.purging.report import Part, Run

_KEPT = timedelta(days=1)
"""An acknowledgement that is younger may be of an epoch that begins just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCursors:
    """Delete acknowledgements of users who are gone, and of epochs that have ended: they count for nothing.

    Users may be in another database, so they are looked up page by page.
    """

    now: datetime
    part: Part = Part.HISTORY
    name: str = "cursors_deleted"

    def count(self) -> int:
        """The number of rows now."""
        return sum(len(keys) for keys in self._dead())

    def do(self, run: Run) -> None:
        """Delete them, unless a user has acknowledged something meanwhile."""
        for keys in self._dead():
            if run.is_over():
                return
            run.counts[self.name] += delete_batch(self._settled().filter(pk__in=keys))

    def _settled(self) -> models.QuerySet[ChannelCursor]:
        return ChannelCursor.objects.filter(updated_on__lt=self.now - _KEPT)

    def _dead(self) -> Iterator[list[int]]:
        users = get_user_model()._base_manager.using(router.db_for_write(get_user_model()))
        channels = Channel.objects.using(router.db_for_write(Channel))
        for rows in read_pages(self._settled(), along="pk", names=("user_id", "channel_name", "epoch")):
            wanted = {row[2] for row in rows}
            alive = set(users.filter(pk__in=wanted).values_list("pk", flat=True))
            names = {row[3] for row in rows}
            epochs = dict(channels.filter(name__in=names).values_list("name", "epoch"))
            yield [row[0] for row in rows if row[2] not in alive or epochs.get(row[3]) != row[4]]
