"""Probes of channels with a history: the journal of SQLite, the purge, and the length of the histories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.core.checks import CheckMessage
from django.db import connections, router
from django.utils import timezone

from websocket_gateway.checks.messages import warning
from websocket_gateway.conf import get_settings
from websocket_gateway.database_engines import has_one_writer
from websocket_gateway.models import Channel, ChannelMessage
from websocket_gateway.sending.audience import audience_of_channel

_A_DAY = timedelta(days=1)
_PATIENCE_SECONDS = 3.0
"""How long a client waits for a missing message before it recovers: `gapMs`, up to 1.5 times."""
_CHANNELS = 100
"""Channels whose length is compared: those that were used last."""


def probe_histories() -> list[CheckMessage]:
    """Look at the database of channels with a history; nothing is found where `CHANNELS` has none."""
    if not any(options.history_messages for _pattern, options in get_settings().channels):
        return []
    return [*_journal(), *_purge(), *_length()]


def _journal() -> Iterator[CheckMessage]:
    connection = connections[router.db_for_write(ChannelMessage)]
    if not has_one_writer(connection):
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        ((mode,),) = cursor.fetchall()
    if mode not in ("wal", "memory"):  # a database in memory has one connection
        yield warning(
            "W117",
            f"SQLite's journal is {mode!r}: publishers and readers of channels wait for each other.",
            hint="Run `PRAGMA journal_mode=WAL` once on the database file.",
        )


def _purge() -> Iterator[CheckMessage]:
    now = timezone.now()
    longest = max(options.history_seconds for _pattern, options in get_settings().channels)
    before = now - timedelta(seconds=longest) - _A_DAY
    using = router.db_for_write(ChannelMessage)
    if ChannelMessage.objects.using(using).filter(created_on__lt=before).exists():
        yield warning(
            "W118",
            "There are messages of channels that no client could get for a day: nothing purges them.",
            hint="Run `manage.py purge_connections` from cron; see management_docs/cron.md.",
        )


def _length() -> Iterator[CheckMessage]:
    """Compare the time that full histories cover with the time after which clients notice a lost message."""
    channels = Channel.objects.using(router.db_for_write(Channel)).exclude(published_on=None)
    used = channels.order_by("-published_on").values_list("name", "last_offset")[:_CHANNELS]
    pace = get_settings().send_max_per_second
    for name, last_offset in used:
        options = get_settings().channel_options(name)
        first_kept = options.first_kept(last_offset)
        if not options.history_messages or first_kept == 1:
            continue  # not full: it covers everything
        seconds = _seconds_covered(name, first_kept, last_offset)
        if seconds is None:
            continue
        spread = audience_of_channel(name).count() / pace if pace else 0.0
        if seconds < _PATIENCE_SECONDS + spread:
            yield warning(
                "W119",
                f"The history of channel {name!r} covers {seconds:.1f} s, and a client needs up to "
                f"{_PATIENCE_SECONDS + spread:.1f} s to notice a lost message: it is then told `lost`.",
                hint="Raise HISTORY_MESSAGES of the channel, or publish fewer messages a second.",
            )


def _seconds_covered(name: str, first: int, last: int) -> float | None:
    messages = ChannelMessage.objects.using(router.db_for_write(ChannelMessage))
    found = messages.filter(channel_name=name, offset__in=[first, last]).order_by("offset")
    times = list(found.values_list("created_on", flat=True))
    return (times[1] - times[0]).total_seconds() if len(times) == 2 else None
