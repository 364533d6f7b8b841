"""Processes killed before each of their statements: no message is lost, and none is numbered twice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import override_settings
from django.utils import timezone

from tests.channels.conftest import CHANNELS
from tests.channels.cut_jobs import CHANNEL
from tests.factories import UserFactory, WebSocketSessionFactory
from tests.sink import Sink
from tests.support.cut_processes import KILLED, CutProcesses, cut_processes
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import ApiGateway, Channel, ChannelMessage, HandledMessage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("listener")]


@pytest.fixture
def children(db: None) -> Iterator[CutProcesses]:
    with (
        override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS}),
        cut_processes("tests.channels.cut_jobs") as running,
    ):
        yield running


@pytest.fixture
def listener(gateway: ApiGateway) -> None:
    WebSocketSessionFactory.create(connection_id="listener=", api_gateway=gateway, channel_name=CHANNEL)


def rows() -> list[tuple[int | None, str]]:
    """The messages in the order of their INSERTs: the offset and the name."""
    values = ChannelMessage.objects.order_by("pk").values_list("offset", "body")
    return [(offset, json.loads(bytes(body))["name"]) for offset, body in values]


def let_time_pass() -> None:
    """A publisher counts as dead after two seconds."""
    ChannelMessage.objects.filter(offset=None).update(created_on=timezone.now() - timedelta(seconds=3))


def check(sink: Sink) -> None:
    """Every committed message has one offset, without gaps, and was sent with no other one."""
    found = rows()
    assert [offset for offset, _ in found] == list(range(1, len(found) + 1))
    assert len({name for _, name in found}) == len(found)
    for offset in Channel.objects.filter(name=CHANNEL).values_list("last_offset", flat=True):
        assert offset == len(found)
    pushes = [json.loads(body) for body in sink.received["listener="]]
    sent = [(push["_ws"]["offset"], push["name"]) for push in pushes]
    assert set(sent) <= set(found)
    assert len(set(sent)) == len(sent)


@pytest.mark.parametrize(
    ("job", "successor"),
    [
        ("publish", "continue_by_reader"),
        ("publish_with_data", "publish"),
        ("publish_with_data", "continue_by_purge"),
    ],
)
def test_a_publisher_killed_anywhere_loses_nothing(
    children: CutProcesses, sink: Sink, job: str, successor: str
) -> None:
    left: set[str] = set()
    for name in children.run_cut_everywhere(job):
        states = {saved: "numbered" if offset else "saved" for offset, saved in rows()}
        left.add(states.get(name, "nothing"))
        let_time_pass()

        assert children.run(successor, f"after {name}")[0] == 0

        check(sink)
        names = {saved for _, saved in rows() if not saved.startswith("after")}
        assert (name in names) == (states.get(name) is not None)
        if job == "publish_with_data":
            assert set(Group.objects.values_list("name", flat=True)) == names
    assert left == {"nothing", "saved", "numbered"}


def test_a_publisher_killed_while_it_sends_is_not_repeated(children: CutProcesses, sink: Sink) -> None:
    sink.on_request = lambda connection_id: os.kill(children.pid, signal.SIGKILL)
    assert children.run("publish", "first")[0] == KILLED
    sink.on_request = lambda connection_id: None
    let_time_pass()

    assert children.run("publish", "second")[0] == 0

    check(sink)
    assert rows() == [(1, "first"), (2, "second")]


@pytest.mark.parametrize("job", ["continue_by_reader", "continue_by_purge"])
def test_whoever_continues_may_be_killed_as_well(children: CutProcesses, sink: Sink, job: str) -> None:
    waiting = [
        ChannelMessage(channel_name=CHANNEL, body=json.dumps({"name": f"m{n}"}).encode()) for n in range(3)
    ]
    ChannelMessage.objects.bulk_create(waiting)
    left = set()
    for name in children.run_cut_everywhere(job):
        left.add(sum(offset is None for offset, _ in rows()))
        let_time_pass()
        children.run("continue_by_reader", "")
        check(sink)
        ChannelMessage.objects.create(channel_name=CHANNEL, body=json.dumps({"name": name}).encode())
        let_time_pass()
    assert left >= {0, 1}


def test_an_order_is_placed_once_wherever_its_request_is_cut(
    children: CutProcesses, sink: Sink, gateway: ApiGateway
) -> None:
    user = UserFactory.create()
    WebSocketSessionFactory.create(
        connection_id="customer=", api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
    )
    outcomes = set()
    for name in children.run_cut_everywhere("request_order"):
        outcomes.add(Group.objects.filter(name=name).exists())
        let_time_pass()

        status, _ = children.run("request_order", name)  # the client sends it again
        children.run("continue_by_reader", "")

        assert status == 0
        check(sink)
        assert Group.objects.filter(name=name).count() == 1
        assert [saved for _, saved in rows()].count(name) == 1
    assert outcomes == {True, False}
    assert HandledMessage.objects.count() == len(rows())
