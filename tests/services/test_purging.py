"""Purging: what goes, what stays, who may interfere meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

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
from tests.sink import running_sink
from tests.threads import run_together
from websocket_gateway.exceptions import AccessDeniedError
from websocket_gateway.models import (
    BroadcastRun,
    BroadcastShard,
    ChannelSubscription,
    ConnectionRateLimit,
    HandledMessage,
    WebSocketSession,
    WebSocketToken,
)
from websocket_gateway.services.limits import count_attempt
from websocket_gateway.services.purging import Part, count_purgeable, purge
from websocket_gateway.services.purging.batches import read_pages
from websocket_gateway.services.purging.running import Run
from websocket_gateway.services.tokens import hash_session_auth
from websocket_gateway.signals import connection_gone, disconnected
from websocket_gateway.testing.connections import FakeConnections, record_connections

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service() -> Iterator[FakeConnections]:
    """AWS, as far as it is asked about connections."""
    with record_connections() as fake:
        yield fake


def ago(**length: float) -> datetime:
    return timezone.now() - timedelta(**length)


def connected() -> set[str]:
    return set(WebSocketSession.objects.filter(connected=True).values_list("connection_id", flat=True))


def count(name: str, **options: Any) -> int:
    return purge(**options).counts[name]


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The connection ids that receivers were told of as gone."""
    ids: list[str] = []

    def listen(connection_ids: tuple[str, ...], **kwargs: Any) -> None:
        ids.extend(connection_ids)

    connection_gone.connect(listen)
    yield ids
    connection_gone.disconnect(listen)


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


def test_parts_can_be_chosen() -> None:
    WebSocketSessionFactory.create(ended=True, disconnected_on=ago(days=9))
    WebSocketTokenFactory.create(expired=True)

    report = purge(only=[Part.TOKENS, Part.LIMITS])

    assert dict(report.counts) == {"tokens_deleted": 1, "limits_deleted": 0}
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


def test_verifying_ends_those_that_aws_calls_gone(service: FakeConnections, heard: list[str]) -> None:
    for name in ("alive", "dead", "fresh"):
        WebSocketSessionFactory.create(connection_id=name, fresh=name == "fresh")
    service.gone = {"dead", "fresh"}

    report = purge(verify=True)

    assert report.counts["sessions_asked_about"] == 2  # not about one within the connect grace
    assert report.counts["sessions_ended_gone"] == 1
    assert connected() == {"alive", "fresh"}
    assert heard == ["dead"]
    assert report.problems == ()


def test_verifying_asks_over_real_sockets_side_by_side_and_each_once() -> None:
    present, most, lock = 0, 0, threading.Lock()

    def come_and_go(connection_id: str) -> None:
        nonlocal present, most
        with lock:
            present += 1
            most = max(most, present)
        time.sleep(0.02)
        with lock:
            present -= 1

    with running_sink() as sink:
        sink.on_request = come_and_go
        gateway = sink.gateway()
        WebSocketSession.objects.bulk_create(
            WebSocketSessionFactory.build(api_gateway=gateway, connection_id=f"v{number}=")
            for number in range(300)
        )
        sink.answers = {f"v{number}=": 410 for number in range(0, 300, 3)}

        report = purge(only=[Part.SESSIONS], verify=True)

    assert report.counts["sessions_asked_about"] == 300
    assert report.counts["sessions_ended_gone"] == 100
    assert connected() == {f"v{number}=" for number in range(300) if number % 3}
    assert len(sink.requests) == 300
    assert {method for method, _path in sink.requests} == {"GET"}
    assert 2 <= most <= 16


def test_only_a_clear_answer_ends_a_session(service: FakeConnections) -> None:
    gateway = ApiGatewayFactory.create()
    for number in range(40):
        name = f"c{number}"
        WebSocketSessionFactory.create(connection_id=name, api_gateway=gateway)
        service.failures[name] = AccessDeniedError("denied", code="AccessDeniedException", status=403)

    report = purge(verify=True)

    assert report.counts["sessions_asked_about"] == 0
    assert len(connected()) == 40
    assert "check the IAM policy" in report.problems[0]
    assert sum(int(problem.split()[0]) for problem in report.problems) == 40
    assert any("was given up" in problem for problem in report.problems)


def test_sessions_of_a_gateway_that_cannot_be_asked_are_reported(service: FakeConnections) -> None:
    planned = ApiGatewayFactory.create(planned=True, api_name="later")
    WebSocketSessionFactory.create(api_gateway=planned)
    WebSocketSessionFactory.create(connection_id="dead")
    service.gone = {"dead"}

    report = purge(verify=True)

    assert report.counts["sessions_ended_gone"] == 1
    assert report.problems == (
        "1 session not verified: Gateway 'later' does not exist in AWS yet. "
        "Run `manage.py create_gateway later`.",
    )


def test_a_run_out_of_time_says_so_and_the_next_one_goes_on() -> None:
    WebSocketTokenFactory.create(expired=True)

    stopped = purge(max_seconds=0)
    finished = purge(max_seconds=60)

    assert not stopped.complete
    assert stopped.counts["tokens_deleted"] == 0
    assert finished.complete
    assert finished.counts["tokens_deleted"] == 1


def test_every_deed_gets_its_share_of_the_time() -> None:
    now = 0.0
    run = Run(max_seconds=80, clock=lambda: now)

    class Deed:
        part, name = Part.TOKENS, "anything"

        def count(self) -> int:
            return 0

        def do(self, run: Run) -> None:
            pass

    run.begin(Deed(), deeds_left=8)
    now = 9.0
    assert not run.is_over()
    now = 10.0
    assert run.is_over()
    run.begin(Deed(), deeds_left=7)
    now = 19.9
    assert not run.is_over()


def test_purges_that_overlap_do_the_work_once(service: FakeConnections) -> None:
    gateway = ApiGatewayFactory.create()
    rows = [
        WebSocketSessionFactory.build(api_gateway=gateway, connection_id=f"e{number}", connected=False)
        for number in range(600)
    ]
    for row in rows:
        row.disconnected_on = ago(days=9)
    WebSocketSession.objects.bulk_create(rows)
    WebSocketSessionFactory.create(connection_id="keep", api_gateway=gateway)

    reports = run_together(purge, purge, purge)

    assert sum(report.counts["sessions_deleted"] for report in reports) == 600
    assert connected() == {"keep"}
    assert WebSocketSession.objects.count() == 1
