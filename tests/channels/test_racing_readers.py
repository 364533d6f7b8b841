"""Clients that subscribe and recover while messages are published, purged, forgotten and restored."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from tests.factories import UserFactory, WebSocketSessionFactory
from tests.sink import Sink
from tests.support import publishers
from tests.support.heavy import say, sized
from tests.views.urls import StackView
from websocket_gateway.channels import history
from websocket_gateway.channels.bodies import recent_bodies
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import ApiGateway, Channel, ChannelMessage, WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import WebSocketClient
from websocket_gateway.testing.connections import ChannelAnswer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def channels() -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": publishers.CHANNELS, "MAX_MESSAGES_PER_MINUTE": 0}):
        yield


def connect(gateway: ApiGateway) -> WebSocketClient:
    """A client whose pushes arrive at the sink."""
    client = WebSocketClient(StackView, gateway=gateway)
    user = UserFactory.create()
    WebSocketSessionFactory.create(
        connection_id=client.connection_id,
        api_gateway=gateway,
        user=user,
        session_auth_hash=hash_session_auth(user),
    )
    return client


def subscribe(client: WebSocketClient, channel: str, since: Any = None) -> dict[str, Any]:
    reply = client.control("subscribe", reply_id="s", channels={channel: since})
    answer: dict[str, Any] = reply.json()["_ws"]["channels"][channel]
    return answer


def is_running(process: subprocess.Popen[str]) -> bool:
    return process.poll() is None


def first_push(sink: Sink, client: WebSocketClient, process: subprocess.Popen[str]) -> int | None:
    """The offset of the first push that the client gets; None if no more are published."""
    while not (pushes := sink.received.get(client.connection_id)):
        if not is_running(process):
            return None
        time.sleep(0.001)
    offset: int = json.loads(pushes[0])["_ws"]["offset"]
    return offset


@pytest.mark.usefixtures("write_ahead_log")
def test_whoever_subscribes_meets_no_gap_between_the_answer_and_the_first_push(
    sink: Sink, gateway: ApiGateway
) -> None:
    number = sized(1_000, 10_000)
    process = publishers.start("one", number, 1)
    races = 0
    while is_running(process):
        client = connect(gateway)
        answer = subscribe(client, "hot_1", {"last": 5} if races % 2 else None)
        last = answer["offset"] + len(answer.get("messages", []))
        pushed = first_push(sink, client, process)
        assert pushed is None or pushed <= last + 1, (answer, pushed)
        WebSocketSession.objects.filter(connection_id=client.connection_id).delete()
        races += pushed is not None
    assert [told["failed"] for told in publishers.results(process)] == [{}]
    assert races > 5
    say(f"{races:,} subscriptions raced {number:,} messages")


class Reader:
    """A client that follows a channel by recovering, and fails at the first gap of which it is not told."""

    def __init__(self, gateway: ApiGateway, channel: str) -> None:
        self.channel = channel
        self.client = connect(gateway)
        self.told: list[str] = []
        self.messages = 0
        answer = subscribe(self.client, channel)
        self.position = {"epoch": answer["epoch"], "offset": answer["offset"]}

    def recover(self) -> ChannelAnswer:
        answer = self.client.recover(self.channel, self.position)
        assert "error" not in answer, answer
        offsets = [message["offset"] for message in answer.get("messages", [])]
        begin = answer["offset"]
        assert offsets == list(range(begin + 1, begin + 1 + len(offsets)))
        if "lost" in answer:
            self.told.append(answer["lost"])
        else:
            assert begin == self.position["offset"], (self.position, answer)
            assert self.position["epoch"] in ("", answer["epoch"])
        self.position = {"epoch": answer["epoch"], "offset": begin + len(offsets)}
        self.messages += len(offsets)
        return answer


@pytest.mark.usefixtures("write_ahead_log", "gateway")
def test_a_reader_of_a_history_that_is_purged_and_forgotten_meets_no_gap_untold(gateway: ApiGateway) -> None:
    readers = [Reader(gateway, "brief_1") for _ in range(2)]
    process = publishers.start("brief", sized(60, 2_000), 2)

    for turn in itertools.count():
        running = is_running(process)
        readers[0].recover()
        if turn % 20 == 0 or not running:
            readers[1].recover()  # seldom: so it is often too late
            recent_bodies().__init__()  # type: ignore[misc]  # as another process
        if not running:
            break

    assert [told["failed"] for told in publishers.results(process)] == [{}] * 2
    for reader in readers:
        while reader.recover().get("more"):
            pass
        assert reader.position == history.position("brief_1")
        assert reader.messages > 0
    say(f"{readers[0].messages:,} messages, told {len(readers[0].told)} and {len(readers[1].told)} times")


def test_after_a_restore_each_client_is_told(gateway: ApiGateway) -> None:
    readers = {name: Reader(gateway, "hot_1") for name in ("ahead", "at the backup", "idle")}
    for turn in range(3):
        broadcast({"n": turn}, channel="hot_1")
    readers["ahead"].recover()
    readers["at the backup"].recover()
    backup = [list(model.objects.all()) for model in (Channel, ChannelMessage)]
    for turn in range(3):
        broadcast({"lost": turn}, channel="hot_1")
    readers["ahead"].recover()

    for model, rows in zip((Channel, ChannelMessage), backup, strict=True):
        model.objects.all().delete()  # type: ignore[attr-defined]
        model.objects.bulk_create(rows)  # type: ignore[attr-defined]
    assert readers["ahead"].recover()["lost"] == "ahead"
    assert readers["ahead"].position["offset"] == 3
    call_command("purge_connections", "--only", "history", "--new-epochs")
    for turn in range(4):
        broadcast({"new": turn}, channel="hot_1")

    for name, reader in readers.items():
        answer = reader.recover()
        given = [message["data"] for message in answer["messages"]]
        assert (answer.get("lost"), given[-4:]) == (
            None if name == "idle" else "epoch",
            [{"new": turn} for turn in range(4)],
        )
