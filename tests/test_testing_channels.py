"""The testing kit for channels with a history, and its virtual time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.template import Context, Template
from django.test import TestCase, override_settings
from django.utils import timezone as django_timezone

from tests.factories import UserFactory
from websocket_gateway.channels import history
from websocket_gateway.models import ChannelMessage, WebSocketSession
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import WebSocketTestMixin, virtual_time
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db

CHANNELS = {"orders_*": {"HISTORY_MESSAGES": 1000, "HISTORY_SECONDS": 3600}}


class OrdersView(WebSocketView):
    USE_WS_TOKEN = False


class LoginView(WebSocketView):
    pass


@pytest.fixture(autouse=True)
def channels() -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS}):
        yield


@pytest.fixture
def client(ws_client: Any) -> Any:
    made = ws_client(OrdersView)
    assert made.connect().ok
    return made


def publish(*numbers: int) -> None:
    for number in numbers:
        broadcast({"order": number}, channel="orders_eu")


def data(answer: Mapping[str, Any]) -> list[int]:
    return [message["data"]["order"] for message in answer.get("messages", [])]


def test_position_follows_pushes_answers_and_the_first_epoch(client: Any) -> None:
    assert client.position("orders_eu") is None
    client.subscribe("orders_eu")
    assert client.position("orders_eu") == {"epoch": "", "offset": 0}
    publish(1, 2)
    assert client.position("orders_eu") == history.position("orders_eu")
    assert client.position("orders_eu")["offset"] == 2
    assert client.recover("orders_eu") == history.position("orders_eu")


def test_lost_messages_are_recovered_once_and_in_order(client: Any) -> None:
    client.subscribe("orders_eu")
    publish(1)
    with client.losing():
        publish(2, 3)
    publish(4)

    assert [message["order"] for message in client.received] == [1, 4]
    assert client.position("orders_eu")["offset"] == 1
    assert data(client.recover("orders_eu")) == [2, 3, 4]
    assert client.position("orders_eu")["offset"] == 4
    assert data(client.recover("orders_eu")) == []


def test_message_whose_commit_the_test_ran_is_sent_once(
    client: Any, django_capture_on_commit_callbacks: Any
) -> None:
    client.subscribe("orders_eu")
    with django_capture_on_commit_callbacks(execute=True):
        publish(1)

    assert [message["order"] for message in client.received] == [1]


def test_client_that_comes_back_continues_at_its_position(ws_client: Any, client: Any) -> None:
    client.subscribe("orders_eu")
    publish(1)
    left = client.position("orders_eu")
    client.disconnect()
    publish(2, 3)
    again = ws_client(OrdersView)
    again.connect()

    assert data(again.subscribe("orders_eu", since=left)) == [2, 3]
    assert data(again.subscribe("orders_eu", since={"last": 1})) == [3]


def test_channel_of_the_handshake_has_a_position_at_once(ws_client: Any) -> None:
    publish(1)
    client = ws_client(OrdersView)
    client.connect(channel="orders_eu")
    publish(2)

    assert client.position("orders_eu")["offset"] == 2


def test_forgotten_history_is_lost_and_the_position_moves_on(client: Any) -> None:
    client.subscribe("orders_eu")
    publish(1, 2)
    assert client.position("orders_eu")["offset"] == 2
    history.forget("orders_eu")
    publish(3)

    answer = client.recover("orders_eu")
    assert (answer["lost"], data(answer)) == ("epoch", [3])
    assert client.position("orders_eu") == history.position("orders_eu")


def test_refused_channel_has_an_error_and_no_position(client: Any) -> None:
    assert client.recover("orders_eu")["error"]["code"] == "not_subscribed"
    assert client.subscribe("not valid")["error"]["code"] == "invalid_channel"
    assert client.position("orders_eu") is None


@pytest.mark.django_db(transaction=True)
def test_channels_in_an_asynchronous_test(ws_client: Any) -> None:
    client = ws_client(OrdersView)

    async def run() -> list[dict[str, Any]]:
        await client.aconnect()
        return [await client.asubscribe("orders_eu"), await client.arecover("orders_eu")]

    joined, recovered = async_to_sync(run)()
    assert joined == recovered == {"epoch": "", "offset": 0}


def test_history_ages_without_sleeping(client: Any, ws_clock: Any) -> None:
    client.subscribe("orders_eu")
    at = client.position("orders_eu")
    publish(1)
    assert client.received
    ws_clock.advance(minutes=59)
    publish(2)
    assert data(client.recover("orders_eu", at)) == [1, 2]

    ws_clock.advance(minutes=1, seconds=1)

    answer = client.recover("orders_eu", {**history.position("orders_eu"), "offset": 0})
    assert (answer["lost"], data(answer)) == ("expired", [2])


def test_message_of_a_dead_publisher_is_found_after_the_patience(client: Any, ws_clock: Any) -> None:
    client.subscribe("orders_eu")
    ChannelMessage.objects.create(channel_name="orders_eu", body=b'{"order":1}')
    publish(2)

    ws_clock.advance(3)
    assert data(client.recover("orders_eu", {"epoch": "", "offset": 0})) == [1, 2]


def test_token_expires_without_sleeping(ws_client: Any, ws_clock: Any) -> None:
    user = UserFactory.create()
    first, second = issue_token(user), issue_token(user)
    ws_clock.advance(59)
    assert ws_client(LoginView).connect(token=first).ok
    ws_clock.advance(2)
    assert ws_client(LoginView).connect(token=second).error == "invalid_token"


def test_rows_and_all_threads_have_the_virtual_time() -> None:
    start = datetime(2030, 1, 2, 3, 4, tzinfo=timezone.utc)
    seen: list[datetime] = []
    with virtual_time(start) as clock:
        clock.advance(hours=2)
        expected = start + timedelta(hours=2)
        thread = threading.Thread(target=lambda: seen.append(django_timezone.now()))
        thread.start()
        thread.join()
        assert seen == [expected] == [clock.now]
        assert WebSocketSession().created_on == expected
        with override_settings(USE_TZ=False):
            assert django_timezone.now() == expected.astimezone().replace(tzinfo=None)
        assert type(django_timezone.now()) is datetime
        assert Template("{{ start|date:'H' }}").render(Context({"start": start})) == "03"
    assert abs(django_timezone.now().timestamp() - time.time()) < 5


def test_time_stands_still_and_only_goes_on() -> None:
    with virtual_time() as clock:
        assert django_timezone.now() == django_timezone.now() == clock.now
        for seconds in (0, -1):
            with pytest.raises(ValueError, match="Time only goes on"):
                clock.advance(seconds)
    with pytest.raises(ValueError, match="must have a time zone"), virtual_time(datetime(2030, 1, 1)):  # noqa: DTZ001
        pass


@override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS})
class WithoutFixtures(WebSocketTestMixin, TestCase):
    """The same by a test case."""

    def test_lost_message_is_recovered_before_it_expires(self) -> None:
        ada = get_user_model().objects.create_user("ada")
        client = self.ws_client(LoginView)
        with virtual_time() as clock:
            assert client.connect(user=ada).ok
            client.subscribe("orders_eu")
            with client.losing():
                publish(1)
            assert client.received == []
            clock.advance(minutes=30)
            assert data(client.recover("orders_eu", {"epoch": "", "offset": 0})) == [1]
