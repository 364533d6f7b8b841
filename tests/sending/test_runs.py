"""Broadcasts in shards: cut, leased, sent page by page, confirmed, taken over, cancelled."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.test import override_settings

from tests.factories import (
    ApiGatewayFactory,
    BroadcastRunFactory,
    BroadcastShardFactory,
    ChannelSubscriptionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from tests.sink import Sink
from tests.threads import run_together
from websocket_gateway.exceptions import ConfigurationError, LeaseLostError, WebSocketGatewayError
from websocket_gateway.models import ApiGateway, BroadcastRun, BroadcastShard, WebSocketSession
from websocket_gateway.sending import broadcast, paging, runs, shards
from websocket_gateway.sending.summaries import find_run, recent_runs, summarize
from websocket_gateway.sending.worker import work_once, work_until_finished

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RECIPIENTS_PER_SHARD", 10)
    monkeypatch.setattr(paging, "PAGE_SIZE", 5)


def connect(gateway: ApiGateway, number: int, **fields: Any) -> list[WebSocketSession]:
    return [WebSocketSessionFactory.create(api_gateway=gateway, **fields) for _ in range(number)]


def posts(sink: Sink) -> list[int]:
    return [len(frames) for frames in sink.received.values()]


def test_a_run_reaches_everyone_of_the_channel_once_in_several_shards(
    sink: Sink, gateway: ApiGateway
) -> None:
    sessions = connect(gateway, 33)
    ChannelSubscriptionFactory.create(session=sessions[0], channel_name="lobby")
    subscriber = connect(gateway, 1, channel_name="other")[0]
    ChannelSubscriptionFactory.create(session=subscriber, channel_name="lobby")
    connect(gateway, 3, channel_name="elsewhere")

    run = runs.create_run(b"{}", channel="lobby")
    summary = work_until_finished(run.pk)

    assert BroadcastShard.objects.count() == 4
    assert posts(sink) == [1] * 34
    assert summary.report.delivered == 34
    assert (summary.run.state, summary.shards, summary.finished) == ("finished", 4, 4)
    assert not BroadcastShard.objects.exclude(unsettled=[], lease_expires_on=None).exists()


def test_user_and_everyone_are_audiences_too(sink: Sink, gateway: ApiGateway) -> None:
    user = UserFactory.create()
    connect(gateway, 2, user=user)
    connect(gateway, 3)

    to_user = work_until_finished(runs.create_run(b"1", user=user, started_by=user).pk)
    to_all = work_until_finished(runs.create_run(b"2").pk)

    assert (to_user.report.delivered, to_all.report.delivered) == (2, 5)
    assert [found.run.pk for found in recent_runs()] == [to_all.run.pk, to_user.run.pk]
    assert recent_runs()[1].run.started_by == user


def test_a_run_to_nobody_is_finished_at_once() -> None:
    run = runs.create_run(b"{}", channel="empty")

    assert (run.state, run.recipients) == ("finished", 0)
    assert summarize(run.pk).report.complete


def test_who_connects_later_is_not_meant_and_who_left_is_not_posted_to(
    sink: Sink, gateway: ApiGateway
) -> None:
    sessions = connect(gateway, 3)
    run = runs.create_run(b"{}", channel="lobby")
    connect(gateway, 1)
    WebSocketSession.objects.filter(pk=sessions[1].pk).update(connected=False)

    work_until_finished(run.pk)

    assert set(sink.received) == {sessions[0].connection_id, sessions[2].connection_id}


def test_failures_and_gone_add_up_over_shards_and_laps(sink: Sink, gateway: ApiGateway) -> None:
    old = {"created_on": Now() - timedelta(minutes=5)}
    sessions = connect(gateway, 25)
    WebSocketSession.objects.update(**old)
    sink.answers = {session.connection_id: 410 for session in sessions[:4]}
    sink.answers |= {session.connection_id: 403 for session in sessions[10:13]}

    report = work_until_finished(runs.create_run(b"{}").pk).report

    assert (report.delivered, report.gone, report.failed) == (18, 4, 3)
    assert list(report.reasons.values()) == [3]
    assert WebSocketSession.objects.filter(connected=False).count() == 4


def test_threads_share_the_shards_and_nobody_gets_it_twice(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, 60)
    run = runs.create_run(b"{}")

    run_together(*[lambda: work_until_finished(run.pk)] * 3)

    assert posts(sink) == [1] * 60
    assert summarize(run.pk).report.delivered == 60


def test_a_shard_somebody_died_on_is_taken_over_from_the_last_confirmed_page(
    sink: Sink, gateway: ApiGateway
) -> None:
    sessions = connect(gateway, 10)
    run = runs.create_run(b"{}")
    # As a killed process leaves it: five confirmed, of which one has no outcome yet.
    BroadcastShard.objects.update(
        position=sessions[4].pk,
        unsettled=[sessions[2].pk],
        delivered=4,
        fence=7,
        lease_holder="elsewhere:1",
        lease_expires_on=Now() - timedelta(seconds=1),
    )

    summary = work_until_finished(run.pk)

    assert set(sink.received) == {session.connection_id for session in (sessions[2], *sessions[5:])}
    assert summary.report.delivered == 10
    assert BroadcastShard.objects.get().fence == 8


def test_a_lap_without_time_forgets_nobody(sink: Sink, gateway: ApiGateway) -> None:
    sessions = connect(gateway, 2)
    run = runs.create_run(b"{}")
    BroadcastShard.objects.update(position=sessions[1].pk, unsettled=[sessions[0].pk])
    shard = shards.take_shard(run.pk)
    assert shard is not None

    shards.send_shard(shard, until=0)

    assert BroadcastShard.objects.get().unsettled == [sessions[0].pk]
    assert work_until_finished(run.pk).report.delivered == 1


def test_a_living_lease_is_left_alone(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, 2)
    run = runs.create_run(b"{}")
    BroadcastShard.objects.update(lease_expires_on=Now() + timedelta(minutes=5))

    assert work_once(run.pk, patience=0) is False
    assert not sink.received
    assert summarize(run.pk).working == 1


def test_who_was_taken_over_confirms_nothing_more(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, 10)
    run = runs.create_run(b"{}")
    shard = shards.take_shard(run.pk)
    assert shard is not None
    BroadcastShard.objects.update(fence=99, lease_holder="elsewhere:1")

    with pytest.raises(LeaseLostError):
        shards.send_shard(shard, until=time.monotonic() + 60)

    left = BroadcastShard.objects.get()
    assert (left.delivered, left.lease_holder, left.finished_on) == (0, "elsewhere:1", None)
    assert len(sink.received) <= 5


def test_any_broadcasts_worker_takes_up_what_somebody_died_on(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, 2)
    dead = runs.create_run(b"dead")
    BroadcastShard.objects.update(lease_expires_on=Now() - timedelta(seconds=1), lease_holder="elsewhere:1")
    other = runs.create_run(b"other")

    assert work_once(other.pk, patience=0) is False

    assert sorted(sum(sink.received.values(), [])) == [b"dead"] * 2 + [b"other"] * 2
    assert summarize(dead.pk).run.state == "finished"


def test_a_cancelled_run_stops_after_the_page_under_way(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, 20)
    run = runs.create_run(b"{}")
    sink.on_request = lambda connection_id: None

    def cancel(report: Any) -> None:
        if report.delivered:
            runs.cancel_run(run.pk)

    summary = work_until_finished(run.pk, on_progress=cancel)

    assert summary.run.state == "cancelled"
    assert 0 < len(sink.received) < 20
    assert summary.report.delivered == len(sink.received)
    assert runs.cancel_run(run.pk) is False
    with pytest.raises(WebSocketGatewayError, match="was cancelled"):
        runs.resume_run(run.pk)


def test_the_pace_is_shared_by_the_shards_that_are_being_sent(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, 30)
    run = runs.create_run(b"{}", max_per_second=40)
    began = time.monotonic()

    run_together(*[lambda: work_until_finished(run.pk)] * 3)

    assert posts(sink) == [1] * 30
    assert time.monotonic() - began > 0.3


def test_a_deleted_gateway_or_user_leaves_nobody_and_no_error(sink: Sink, gateway: ApiGateway) -> None:
    user = UserFactory.create()
    connect(gateway, 1, user=user)
    run = runs.create_run(b"{}", user=user)
    user.delete()

    assert work_until_finished(run.pk).run.state == "finished"
    assert not sink.received


def test_a_gateway_that_was_never_created_fails_its_recipients(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, 2)
    connect(ApiGatewayFactory.create(api_id=""), 1)

    report = work_until_finished(runs.create_run(b"{}").pk).report

    assert (report.delivered, report.failed) == (2, 1)


def test_an_error_in_the_middle_gives_the_lease_back(
    sink: Sink, gateway: ApiGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(gateway, 2)
    run = runs.create_run(b"{}")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with override_settings(WEBSOCKET_GATEWAY={}), pytest.raises(ConfigurationError):
        work_until_finished(run.pk)

    shard = BroadcastShard.objects.get()
    assert (shard.lease_expires_on, shard.failed, shard.finished_on) == (None, 0, None)


def test_enqueueing_needs_a_queue_and_says_so(gateway: ApiGateway) -> None:
    connect(gateway, 1)

    with pytest.raises(ConfigurationError, match="does not work in the background"):
        broadcast({}, everyone=True, enqueue=True)

    assert not BroadcastRun.objects.exists()


def test_without_a_queue_nothing_is_taken_up_but_what_is_done_is_closed() -> None:
    run = BroadcastRunFactory.create()
    BroadcastShardFactory.create(run=run, finished_on=Now())
    left = BroadcastShardFactory.create(lease_expires_on=Now() - timedelta(minutes=1))

    assert runs.resume_expired_shards() == 0

    assert find_run(run.pk).state == "finished"
    assert find_run(left.run_id).state == "running"


def test_without_a_running_broadcast_one_query_is_enough(django_assert_num_queries: Any) -> None:
    BroadcastRunFactory.create(state="finished")

    with django_assert_num_queries(1):
        assert runs.resume_expired_shards() == 0


def test_an_unknown_broadcast_is_named() -> None:
    with pytest.raises(WebSocketGatewayError, match="no broadcast 12345"):
        runs.resume_run(12345)


def test_a_run_that_is_rolled_back_was_never_there(gateway: ApiGateway) -> None:
    connect(gateway, 1)

    with transaction.atomic():
        runs.create_run(b"{}")
        transaction.set_rollback(True)

    assert not BroadcastRun.objects.exists()
