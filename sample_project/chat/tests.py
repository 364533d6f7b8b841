"""The chat without AWS and without a socket: `python -m pytest sample_project`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from chat.models import TEXT_MAX_LENGTH, Message
from chat.sockets import ChatSocketView
from chat.users import DEMO_USERS
from chat.views import CHANNEL, HISTORY_LENGTH
from websocket_gateway.testing import FakeConnections, WebSocketClient

pytestmark = pytest.mark.django_db

Enter = Callable[[str], WebSocketClient]


def log_in(name: str) -> Client:
    """A browser in which this user is logged in."""
    browser = Client()
    browser.force_login(User.objects.get_by_natural_key(name))
    return browser


@pytest.fixture
def enter(ws_client: Callable[..., WebSocketClient]) -> Enter:
    """Let one of the demo's users into the room: `enter("ada")`."""

    def connect(name: str) -> WebSocketClient:
        client = ws_client(ChatSocketView)
        assert client.connect(user=User.objects.get_by_natural_key(name), channel=CHANNEL).ok
        return client

    return connect


def test_what_one_says_reaches_everyone_in_the_room_the_speaker_included(enter: Enter) -> None:
    ada, grace = enter("ada"), enter("grace")

    reply = ada.send({"handler": "send_message", "text": "  Hello!  "})

    (frame,) = grace.received
    assert reply.ok
    assert (frame["type"], frame["author"], frame["text"]) == ("message", "ada", "Hello!")
    assert ada.received == [frame]


def test_other_rooms_hear_nothing(ws_client: Any, enter: Enter) -> None:
    ada, elsewhere = enter("ada"), ws_client(ChatSocketView)
    elsewhere.connect(user=User.objects.get_by_natural_key("grace"), channel="kitchen")

    ada.send({"handler": "send_message", "text": "Hello!"})

    assert elsewhere.received == []


def test_who_subscribed_to_the_room_hears_it_too(ws_client: Any, enter: Enter) -> None:
    ada, elsewhere = enter("ada"), ws_client(ChatSocketView)
    elsewhere.connect(user=User.objects.get_by_natural_key("grace"), channel="kitchen")
    assert elsewhere.control("subscribe", channel=CHANNEL).ok

    ada.send({"handler": "send_message", "text": "Hello!"})

    assert [frame["text"] for frame in elsewhere.received] == ["Hello!"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("   ", "There is nothing in this message."),
        (None, "There is nothing in this message."),
        ("x" * (TEXT_MAX_LENGTH + 1), "A message has at most 2000 characters."),
    ],
)
def test_a_message_that_cannot_be_kept_is_answered_with_the_reason(
    enter: Enter, text: str | None, problem: str
) -> None:
    ada, grace = enter("ada"), enter("grace")

    reply = ada.send({"handler": "send_message", "text": text})

    assert reply.json() == {"type": "problem", "text": problem}
    assert grace.received == []
    assert not Message.objects.exists()


def test_the_token_of_the_page_opens_the_socket_once(ws_client: Any) -> None:
    token = log_in("grace").post(reverse("token")).json()["token"]

    first, second = ws_client(ChatSocketView), ws_client(ChatSocketView)

    assert first.connect(token=token, channel=CHANNEL).ok
    assert first.session.user.get_username() == "grace"
    assert not second.connect(token=token, channel=CHANNEL).ok


def test_a_stranger_is_refused(ws_client: Any) -> None:
    without_token, with_a_guess = ws_client(ChatSocketView), ws_client(ChatSocketView)

    assert without_token.connect(channel=CHANNEL).status_code == 403
    assert with_a_guess.connect(channel=CHANNEL, token="guess").status_code == 403


def test_a_page_of_another_site_is_refused(ws_client: Any) -> None:
    user = User.objects.get_by_natural_key("ada")

    reply = ws_client(ChatSocketView).connect(user=user, channel=CHANNEL, origin="https://evil.example")

    assert reply.error == "origin_denied"


def test_the_button_notifies_everyone_who_is_still_there(enter: Enter) -> None:
    ada, grace, gone = enter("ada"), enter("grace"), enter("ada")
    gone.disconnect()

    answer = log_in("grace").post(reverse("notify"))

    assert answer.json() == {"delivered": 2, "failed": 0}
    assert ada.received == grace.received == [{"type": "notification", "text": "grace waves at everyone."}]
    assert gone.received == []


def test_who_was_away_reads_on_where_they_left(enter: Enter) -> None:
    ada = enter("ada")
    for text in ("one", "two", "three"):
        ada.send({"handler": "send_message", "text": text})
    known = Message.objects.get(text="one").pk

    answer = log_in("grace").get(reverse("history"), {"after": known})

    assert [message["text"] for message in answer.json()["messages"]] == ["two", "three"]


def test_the_history_is_the_latest_and_the_oldest_of_it_comes_first() -> None:
    ada = User.objects.get_by_natural_key("ada")
    Message.objects.bulk_create(Message(author=ada, text=str(n)) for n in range(HISTORY_LENGTH + 5))

    messages = log_in("grace").get(reverse("history")).json()["messages"]

    assert [message["text"] for message in messages] == [str(n) for n in range(5, HISTORY_LENGTH + 5)]


@pytest.mark.parametrize("page", ["room", "history"])
def test_pages_are_for_those_who_logged_in(page: str) -> None:
    assert Client().get(reverse(page)).status_code == 302
    assert log_in(DEMO_USERS[0].username).get(reverse(page)).status_code == 200


def test_logging_out_closes_the_socket(
    ws_client: Any, fake_connections: FakeConnections, django_capture_on_commit_callbacks: Any
) -> None:
    browser, client = log_in("ada"), ws_client(ChatSocketView)
    client.connect(token=browser.post(reverse("token")).json()["token"], channel=CHANNEL)

    with django_capture_on_commit_callbacks(execute=True):
        browser.post(reverse("logout"))

    assert fake_connections.closed == [client.connection_id]
