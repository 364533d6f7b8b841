"""Eight processes publish at once: offsets without gaps, none behind a reader, no deadlock."""

from __future__ import annotations

import time

import pytest
from django.db import connection

from tests.support import publishers
from tests.support.heavy import say, sized
from websocket_gateway.models import Channel, ChannelMessage

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = 8
MESSAGES = sized(10, 100)
"""Of each process."""
CASES = [("one", ""), ("slow_transaction", ""), ("two_in_any_order", "")]
if connection.vendor != "sqlite":
    CASES += [("one", "repeatable read"), ("two_in_any_order", "repeatable read")]


def follow(channel: str, until: int) -> tuple[list[int], int]:
    """Read as a client with a cursor does, and count what appears behind the cursor."""
    seen: list[int] = []
    late = 0
    deadline = time.monotonic() + 120
    while len(seen) < until and time.monotonic() < deadline:
        recent = ChannelMessage.objects.filter(channel_name=channel, offset__gt=max(0, len(seen) - 200))
        known, last = set(seen), seen[-1] if seen else 0
        for offset in recent.order_by("offset").values_list("offset", flat=True):
            if offset is not None and offset not in known:
                late += offset < last
                seen.append(offset)
        time.sleep(0.002)
    return seen, late


@pytest.mark.usefixtures("write_ahead_log")
@pytest.mark.parametrize(("kind", "isolation"), CASES)
def test_offsets_have_no_gaps_and_no_reader_is_overtaken(kind: str, isolation: str) -> None:
    running = publishers.start(kind, MESSAGES, PROCESSES, isolation)
    expected = MESSAGES * PROCESSES

    seen, late = follow("hot_1", expected)

    told = publishers.results(running)
    assert [result["failed"] for result in told] == [{}] * PROCESSES
    assert (seen, late) == (list(range(1, expected + 1)), 0)
    assert Channel.objects.get(name="hot_1").last_offset == expected
    assert not ChannelMessage.objects.filter(offset=None).exists()
    longest = max(result["seconds"] for result in told)
    say(
        f"{connection.vendor} {kind} {isolation}: {expected / longest:,.0f} a second of {PROCESSES} processes"
    )
