"""Eight processes open and close tabs of the same users: each join and leave is told once."""

from __future__ import annotations

import pytest

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.support import tabs
from websocket_gateway.models import ChannelMember

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = 8
SECONDS = 2.0


@pytest.mark.usefixtures("write_ahead_log")
def test_no_join_and_no_leave_is_doubled_or_missing() -> None:
    UserFactory.create_batch(tabs.USERS)
    WebSocketSessionFactory.create(
        connection_id=tabs.WATCHER, api_gateway=ApiGatewayFactory.create(), channel_name="room"
    )

    results = tabs.results(tabs.start(SECONDS, PROCESSES))

    assert [result["failed"] for result in results] == [{}] * PROCESSES
    events, wrong, left_over = tabs.faults([frame for result in results for frame in result["frames"]])
    assert events > 0
    assert (wrong, left_over) == (0, 0)
    assert not ChannelMember.objects.filter(present=True).exists()
