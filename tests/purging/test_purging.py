"""Purging: what goes and what stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.factories import (
    ApiGatewayFactory,
    BroadcastRunFactory,
    BroadcastShardFactory,
    ChannelSubscriptionFactory,
    ConnectionRateLimitFactory,
    HandledMessageFactory,
    UserFactory,
    WebSocketSessionFactory,
    WebSocketTokenFactory,
)
from tests.purging.purges import ago, connected, count
from tests.threads import run_together
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import (
    BroadcastRun,
    BroadcastShard,
    ChannelSubscription,
    ConnectionRateLimit,
    HandledMessage,
    WebSocketSession,
    WebSocketToken,
)
from websocket_gateway.purging import Part, count_purgeable, purge
from websocket_gateway.purging.old_rows import read_pages
from websocket_gateway.receiving.limits import count_attempt
from websocket_gateway.signals import disconnected
from websocket_gateway.testing.connections import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)


def test_sessions_older_than_the_service_allows_end_without_asking_aws(
    service: FakeConnections, heard: list[str]
) -> None:
    WebSocketSessionFactory.create(connection_id="old", created_on=ago(seconds=7200 + 360))
    WebSocketSessionFactory.create(connection_id="in-grace", created_on=ago(seconds=7200 + 240))

    report = purge()

    assert report.counts["sessions_ended_overdue"] == 1
    assert connected() == {"in-grace"}
    assert WebSocketSession.objects.get(connection_id="old").disconnected_on is not None
    assert heard == ["old"]
    assert service.closed == []


def test_how_old_a_session_may_become_is_a_setting(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"MAX_CONNECTION_SECONDS": 60, "MAX_AGE_GRACE_SECONDS": 0}
    WebSocketSessionFactory.create(connection_id="old", created_on=ago(seconds=90))
    WebSocketSessionFactory.create(connection_id="young", created_on=ago(seconds=20))

    assert count("sessions_ended_overdue") == 1
    assert connected() == {"young"}


def test_ended_sessions_go_after_the_retention_with_their_subscriptions() -> None:
    old = WebSocketSessionFactory.create(ended=True, disconnected_on=ago(days=8))
    ChannelSubscriptionFactory.create(session=old)
    kept = WebSocketSessionFactory.create(ended=True, disconnected_on=ago(days=6))
    ChannelSubscriptionFactory.create(session=kept)
    still_open = WebSocketSessionFactory.create(created_on=ago(minutes=30))

    report = purge()

    assert report.counts["sessions_deleted"] == 1
    assert set(WebSocketSession.objects.all()) == {kept, still_open}
    assert ChannelSubscription.objects.get().session == kept


def test_sessions_that_ended_nobody_knows_when_go_by_the_age_of_their_connect() -> None:
    WebSocketSessionFactory.create(connected=False, disconnected_on=None, created_on=ago(days=8))
    kept = WebSocketSessionFactory.create(connected=False, disconnected_on=None, created_on=ago(days=6))

    assert count_purgeable().counts["sessions_deleted"] == 1
    assert count("sessions_deleted") == 1
    assert WebSocketSession.objects.get() == kept


def test_the_retention_can_be_given() -> None:
    WebSocketSessionFactory.create(ended=True, disconnected_on=ago(days=2))

    assert count("sessions_deleted", retention_days=3) == 0
    assert count("sessions_deleted", retention_days=1) == 1


def test_no_retention_at_all_keeps_what_a_late_connect_must_find() -> None:
    WebSocketSessionFactory.create(connection_id="overtaken", ended=True, disconnected_on=ago(seconds=1))
    WebSocketSessionFactory.create(ended=True, disconnected_on=ago(minutes=2))

    assert count("sessions_deleted", retention_days=0) == 1
    assert WebSocketSession.objects.get().connection_id == "overtaken"


def test_a_purge_goes_through_many_batches_even_of_one_moment() -> None:
    gateway, then = ApiGatewayFactory.create(), ago(days=9)
    WebSocketSession.objects.bulk_create(
        WebSocketSessionFactory.build(
            api_gateway=gateway, connection_id=f"c{number}", connected=False, disconnected_on=then
        )
        for number in range(1_250)
    )

    assert count("sessions_deleted") == 1_250
    assert not WebSocketSession.objects.exists()


def test_pages_meet_every_row_once_whatever_shares_a_moment() -> None:
    gateway, then = ApiGatewayFactory.create(), ago(hours=1)
    for number in range(11):
        WebSocketSessionFactory.create(api_gateway=gateway, created_on=then + timedelta(seconds=number // 4))

    pages = list(read_pages(WebSocketSession.objects.all(), along="created_on", size=3))

    keys = [row[0] for page in pages for row in page]
    assert [len(page) for page in pages] == [3, 3, 3, 2]
    assert len(set(keys)) == len(keys) == 11


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"is_active": False}, "deactivated", id="deactivated"),
        pytest.param({"password": "another"}, "password", id="password"),
    ],
)
def test_sockets_of_users_who_may_no_longer_be_connected_end_for_real(
    change: dict[str, Any], reason: str, service: FakeConnections
) -> None:
    reasons: list[str] = []

    def listen(reason: str, **kwargs: Any) -> None:
        reasons.append(reason)

    user, other = UserFactory.create(), UserFactory.create()
    for owner in (user, other):
        WebSocketSessionFactory.create(
            connection_id=owner.username, user=owner, session_auth_hash=hash_session_auth(owner)
        )
    WebSocketSessionFactory.create(connection_id="anonymous")
    User.objects.filter(pk=user.pk).update(**change)  # sends no signal
    disconnected.connect(listen)

    report = purge()

    disconnected.disconnect(listen)
    assert report.counts["sessions_ended_revoked"] == 1
    assert connected() == {other.username, "anonymous"}
    assert service.closed == [user.username]
    assert reasons == [reason]


def test_socket_of_a_user_deleted_behind_our_back_ends(service: FakeConnections) -> None:
    WebSocketSessionFactory.create(connection_id="orphan", user=None, session_auth_hash="f" * 64)

    assert count("sessions_ended_revoked") == 1
    assert service.closed == ["orphan"]


def test_used_and_expired_tokens_go() -> None:
    good = WebSocketTokenFactory.create()
    WebSocketTokenFactory.create(used=True)
    WebSocketTokenFactory.create(expired=True)

    assert count("tokens_deleted") == 2
    assert WebSocketToken.objects.get() == good


def test_limits_go_when_their_own_window_is_over() -> None:
    ConnectionRateLimitFactory.create(key="connect:300s:a", window_start=ago(minutes=6))
    current = ConnectionRateLimitFactory.create(key="connect:300s:b", window_start=ago(minutes=4))
    weekly = ConnectionRateLimitFactory.create(key="connect:604800s:c", window_start=ago(days=6))
    ConnectionRateLimitFactory.create(key="of an older version", window_start=ago(days=2))

    assert count("limits_deleted") == 2
    assert set(ConnectionRateLimit.objects.all()) == {current, weekly}


def test_a_limit_that_counts_again_meanwhile_stays() -> None:
    ConnectionRateLimitFactory.create(key="connect:300s:user:1", window_start=ago(hours=1), attempts=20)
    attempts = [lambda: count_attempt("connect", "user:1", limit=20, window_seconds=300) for _ in range(3)]

    run_together(*attempts, lambda: purge(only=[Part.LIMITS]))

    assert ConnectionRateLimit.objects.get().attempts in (1, 2, 3)  # 20 would be the old window's


def test_old_marks_of_handled_messages_go() -> None:
    HandledMessageFactory.create(created_on=ago(days=2))
    kept = HandledMessageFactory.create(created_on=ago(hours=20))

    assert count("messages_deleted") == 1
    assert HandledMessage.objects.get() == kept


def test_finished_broadcasts_go_after_the_retention_with_their_shards() -> None:
    old = BroadcastRunFactory.create(finished=True, created_on=ago(days=9), finished_on=ago(days=8))
    BroadcastShardFactory.create(run=old)
    fresh = BroadcastRunFactory.create(finished=True, created_on=ago(days=9), finished_on=ago(days=6))
    running = BroadcastRunFactory.create(created_on=ago(days=9))
    BroadcastShardFactory.create(run=running)

    assert count("broadcasts_deleted") == 1
    assert set(BroadcastRun.objects.all()) == {fresh, running}
    assert BroadcastShard.objects.get().run == running


def test_broadcasts_that_somebody_died_on_wait_for_a_queue() -> None:
    BroadcastShardFactory.create(lease_expires_on=ago(minutes=1))

    foreseen, done = count_purgeable(only=[Part.BROADCASTS]), purge(only=[Part.BROADCASTS])

    assert foreseen.counts["shards_resumed"] == done.counts["shards_resumed"] == 0
    assert BroadcastRun.objects.get().state == BroadcastRun.State.RUNNING


def test_a_dry_run_counts_the_tasks_that_the_purge_then_enqueues(enqueued: list[int]) -> None:
    lost = BroadcastRunFactory.create(created_on=ago(minutes=20))  # its queue lost its tasks
    BroadcastShardFactory.create(run=lost)
    BroadcastShardFactory.create(run=lost)
    died = BroadcastRunFactory.create()
    BroadcastShardFactory.create(run=died, lease_expires_on=ago(minutes=1))
    BroadcastShardFactory.create(run=died)
    BroadcastShardFactory.create(run=died, finished_on=ago(minutes=1))
    at_work = BroadcastRunFactory.create(created_on=ago(minutes=20))
    BroadcastShardFactory.create(run=at_work, lease_expires_on=ago(minutes=-1))
    BroadcastShardFactory.create(run=at_work)
    BroadcastShardFactory.create(run=BroadcastRunFactory.create())  # its tasks wait in the queue

    foreseen = count_purgeable(only=[Part.BROADCASTS])
    before = list(enqueued)
    done = purge(only=[Part.BROADCASTS])

    assert before == []
    assert foreseen.counts["shards_resumed"] == done.counts["shards_resumed"] == 4
    assert sorted(enqueued) == sorted([lost.pk, lost.pk, died.pk, died.pk])


def test_parts_can_be_chosen() -> None:
    WebSocketSessionFactory.create(ended=True, disconnected_on=ago(days=9))
    WebSocketTokenFactory.create(expired=True)

    report = purge(only=[Part.TOKENS, Part.LIMITS])

    assert dict(report.counts) == {"tokens_deleted": 1, "limits_deleted": 0, "refusals_deleted": 0}
    assert WebSocketSession.objects.exists()


def test_a_second_purge_has_nothing_to_do() -> None:
    WebSocketSessionFactory.create(stale=True)
    WebSocketTokenFactory.create(used=True)

    assert purge()
    assert not purge()


def test_counting_tells_what_a_purge_would_do_and_changes_nothing(service: FakeConnections) -> None:
    user = UserFactory.create(inactive=True)
    WebSocketSessionFactory.create(user=user)
    WebSocketSessionFactory.create(stale=True)
    WebSocketSessionFactory.create(ended=True, disconnected_on=ago(days=9))
    WebSocketTokenFactory.create(expired=True)
    ConnectionRateLimitFactory.create(stale=True)
    HandledMessageFactory.create(created_on=ago(days=2))

    foreseen = count_purgeable()
    done = purge()

    assert dict(foreseen.counts) == dict(done.counts)
    assert sum(done.counts.values()) == 6
    assert foreseen.complete
