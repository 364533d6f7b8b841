"""`purge_connections` killed at random, again and again: the right rows are gone at the end, only they."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import ApiGatewayFactory, UserFactory
from tests.support.forks import SIGKILLED, Commands, commands
from websocket_gateway.models import (
    ChannelSubscription,
    ConnectionRateLimit,
    WebSocketSession,
    WebSocketToken,
)

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = 20
ROWS = 6_000


@pytest.fixture
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    # Nothing of this talks to AWS: no endpoint is needed that answers.
    with commands(tmp_path_factory.mktemp("commands"), endpoint_url="http://127.0.0.1:9") as running:
        yield running


def fill() -> None:
    """Sessions to delete, to end and to keep, in equal parts; other rows, half of them old."""
    gateway, user, now = ApiGatewayFactory.create(), UserFactory.create(), timezone.now()
    sessions = []
    for number in range(ROWS):
        kind = ("delete", "end", "keep")[number % 3]
        sessions.append(
            WebSocketSession(
                connection_id=f"{kind}{number}",
                api_gateway=gateway,
                connected=kind != "delete",
                created_on=now - timedelta(minutes=5) if kind == "keep" else now - timedelta(days=9),
                disconnected_on=now - timedelta(days=8) if kind == "delete" else None,
            )
        )
    made = WebSocketSession.objects.bulk_create(sessions, batch_size=500)
    ChannelSubscription.objects.bulk_create(
        [ChannelSubscription(session=session, channel_name="news") for session in made], batch_size=500
    )
    WebSocketToken.objects.bulk_create(
        WebSocketToken(
            token_hash=f"{number}", user=user, expires_on=now + timedelta(hours=1 - 2 * (number % 2))
        )
        for number in range(1_000)
    )
    ConnectionRateLimit.objects.bulk_create(
        ConnectionRateLimit(key=f"ip:86400s:{number}", window_start=now - timedelta(days=number % 2 * 2))
        for number in range(1_000)
    )


def names(**which: bool) -> set[str]:
    """The beginnings of the connection ids among some sessions."""
    found = WebSocketSession.objects.filter(**which).values_list("connection_id", flat=True)
    return {name.rstrip("0123456789") for name in found}


def test_killed_purges_leave_the_right_rows_and_only_those(children: Commands) -> None:
    fill()
    chance = random.Random(7)
    killed = 0

    for _ in range(KILLS):
        pid = children.start("purge_connections")
        time.sleep(chance.uniform(0, 0.12))
        with suppress(ProcessLookupError):  # it was faster
            os.kill(pid, signal.SIGKILL)
        killed += children.wait()[0] == SIGKILLED
    status, output = children.run("purge_connections")

    assert (status, killed > 0) == (0, True), output
    assert names(connected=True) == {"keep"}
    assert names(connected=False) == {"end"}
    assert WebSocketSession.objects.count() == ROWS * 2 // 3
    assert ChannelSubscription.objects.count() == ROWS * 2 // 3
    assert WebSocketToken.objects.count() == 500
    assert ConnectionRateLimit.objects.count() == 500
