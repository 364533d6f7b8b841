"""Histories of channels: messages that no client can get any more, and channels that are not used.

`channels.reading` applies `CHANNELS` when it reads, so a purge never competes with a client that recovers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import OperationalError, models, router

from websocket_gateway.channels.numbering import ABANDONED_AFTER
from websocket_gateway.channels.trimming import idle_channels
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.models import Channel, ChannelMember, ChannelMessage
from websocket_gateway.models.channels import new_epoch
from websocket_gateway.purging.old_rows import DeleteRows, delete_rows, read_pages
from websocket_gateway.purging.report import Part, Run
from websocket_gateway.sending.publishing import send_abandoned


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAbandoned:
    """Number and send the messages whose publisher died after its commit."""

    now: datetime
    part: Part = Part.HISTORY
    name: str = "messages_published"

    def count(self) -> int:
        """The number of messages without an offset whose publisher must be dead."""
        return self._abandoned().count()

    def do(self, run: Run) -> None:
        """Number and send them; a channel that fails does not keep the others from it."""
        names = self._abandoned().values_list("channel_name", flat=True).distinct()
        for name in retry_when_busy(lambda: sorted(names), model=ChannelMessage):
            if run.is_over():
                return
            try:
                run.counts[self.name] += send_abandoned(name)
            except (WebSocketGatewayError, ConfigurationError, OperationalError) as exc:
                run.problems.append(f"messages of channel {name!r} were not sent: {exc}")

    def _abandoned(self) -> models.QuerySet[ChannelMessage]:
        using = router.db_for_write(ChannelMessage)
        return ChannelMessage.objects.using(using).filter(
            offset=None, created_on__lt=self.now - ABANDONED_AFTER
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUnreadable:
    """Delete the numbered messages that `HISTORY_MESSAGES` and `HISTORY_SECONDS` hide from clients."""

    now: datetime
    part: Part = Part.HISTORY
    name: str = "history_deleted"

    def count(self) -> int:
        """The number of rows now."""
        return sum(query.count() for query in self._queries())

    def do(self, run: Run) -> None:
        """Delete them, channel by channel."""
        for query in self._queries():
            if run.is_over():
                return
            delete_rows(query, along="offset", run=run, name=self.name)

    def _queries(self) -> Iterator[models.QuerySet[ChannelMessage]]:
        for rows in read_pages(Channel.objects.all(), along="name", names=("last_offset",)):
            for _pk, name, last_offset in rows:
                options = get_settings().channel_options(name)
                numbered = ChannelMessage.objects.filter(channel_name=name, offset__isnull=False)
                # Two queries without a row in common: each of them is one range of an index.
                first_kept = options.first_kept(last_offset)
                oldest = options.oldest_kept(self.now)
                yield numbered.filter(offset__lt=first_kept)
                yield numbered.filter(offset__gte=first_kept, created_on__lt=oldest)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginEpochs:
    """Begin a new epoch in every channel, for a database that was restored from a backup.

    Offsets that clients have from before the restore must not be compared with those that are given again.
    """

    part: Part = Part.HISTORY
    name: str = "epochs_begun"

    def count(self) -> int:
        """The number of channels now."""
        return Channel.objects.using(router.db_for_write(Channel)).count()

    def do(self, run: Run) -> None:
        """Give each channel a new epoch."""
        for rows in read_pages(Channel.objects.all(), along="name"):
            for pk, *_ in rows:
                if run.is_over():
                    return
                channel = Channel.objects.using(router.db_for_write(Channel)).filter(pk=pk)
                run.counts[self.name] += retry_when_busy(
                    partial(channel.update, epoch=new_epoch()), model=Channel
                )


def delete_idle_channels(*, now: datetime) -> DeleteRows:
    """Delete channels that have no message and were not used for 30 days; a new one gets a new epoch."""
    return DeleteRows(part=Part.HISTORY, name="channels_deleted", query=idle_channels(now), along="name")


def delete_absent_members(*, now: datetime, retention: timedelta) -> DeleteRows:
    """Delete the members who left their channel longer ago than `retention`."""
    left = ChannelMember.objects.filter(present=False, left_on__lt=now - retention)
    return DeleteRows(part=Part.HISTORY, name="members_deleted", query=left, along="left_on")
