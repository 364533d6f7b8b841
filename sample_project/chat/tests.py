"""The chat without AWS and without a socket: `python -m pytest sample_project`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse, reverse_lazy

from chat.models import TEXT_MAX_LENGTH, Message
from chat.rooms import LOBBY
from chat.sockets import ChatSocketView
from chat.users import DEMO_USERS
from chat.views import HISTORY_LENGTH
from websocket_gateway.channels import inbox, presence
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing import FakeConnections, Reply, WebSocketClient

pytestmark = pytest.mark.django_db

CHANNEL = LOBBY.slug

Enter = Callable[..., WebSocketClient]
Say = Callable[..., Reply]


def heard(client: WebSocketClient, kind: str = "message") -> list[Any]:
    """The frames of one type that this client received."""
    return [frame for frame in client.received if frame["type"] == kind]


def log_in(name: str) -> Client:
    """A browser in which this user is logged in."""
    browser = Client()
    browser.force_login(User.objects.get_by_natural_key(name))
    return browser


@pytest.fixture
def enter(ws_client: Callable[..., WebSocketClient]) -> Enter:
    """Let one of the demo's users into a room: `enter("ada")`, `enter("ada", "kitchen")`."""

    def connect(name: str, room: str = CHANNEL) -> WebSocketClient:
        client = ws_client(ChatSocketView)
        assert client.connect(user=User.objects.get_by_natural_key(name), channel=room).ok
        return client

    return connect


@pytest.fixture
def say(django_capture_on_commit_callbacks: Any) -> Say:
    """Send a message and run the commit hooks, which the transaction of a test would not run."""

    def send(client: WebSocketClient, text: Any, **more: Any) -> Reply:
        with django_capture_on_commit_callbacks(execute=True):
            return client.send({"handler": "send_message", "text": text, **more})

    return send


def test_what_one_says_reaches_everyone_in_the_room_the_speaker_included(say: Say, enter: Enter) -> None:
    ada, grace = enter("ada"), enter("grace")

    reply = say(ada, "  Hello!  ")

    (frame,) = heard(grace)
    assert reply.ok
    assert (frame["type"], frame["author"], frame["text"]) == ("message", "ada", "Hello!")
    assert heard(ada) == [frame]


def test_other_rooms_hear_nothing(say: Say, enter: Enter) -> None:
    ada, elsewhere = enter("ada"), enter("grace", "kitchen")

    say(ada, "Hello!")

    assert heard(elsewhere) == []


def test_who_subscribed_to_the_room_hears_it_too(say: Say, enter: Enter) -> None:
    ada, elsewhere = enter("ada"), enter("grace", "kitchen")
    assert elsewhere.control("subscribe", channel=CHANNEL).ok

    say(ada, "Hello!")

    assert [frame["text"] for frame in heard(elsewhere)] == ["Hello!"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("   ", "The message is empty."),
        (None, "The message is empty."),
        ("x" * (TEXT_MAX_LENGTH + 1), "A message can have at most 2000 characters."),
    ],
)
def test_a_message_that_cannot_be_kept_is_answered_with_the_reason(
    say: Say, enter: Enter, text: str | None, problem: str
) -> None:
    ada, grace = enter("ada"), enter("grace")

    reply = say(ada, text)

    assert reply.json() == {"type": "problem", "text": problem}
    assert heard(grace) == []
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
    for client, count in ((ada, 1), (grace, 1), (gone, 0)):
        texts = [frame["text"] for frame in heard(client, "notification")]
        assert texts == ["grace waves at everyone."] * count


def test_who_was_away_reads_on_where_they_left(say: Say, enter: Enter) -> None:
    ada, grace = enter("ada"), enter("grace")
    say(ada, "one")
    with grace.losing():
        say(ada, "two")
        say(ada, "three")

    assert [frame["text"] for frame in heard(grace)] == ["one"]
    missed = grace.recover(CHANNEL)["messages"]
    assert [message["data"]["text"] for message in missed] == ["two", "three"]


def test_the_page_has_the_latest_messages_and_the_position_after_them(say: Say, enter: Enter) -> None:
    ada = User.objects.get_by_natural_key("ada")
    Message.objects.bulk_create(Message(author=ada, text=str(n)) for n in range(HISTORY_LENGTH + 5))
    client = enter("ada")
    say(client, "last")
    assert heard(client)

    page = log_in("grace").get(reverse("lobby")).context

    texts = [message["text"] for message in page["config"]["messages"]]
    assert texts == [*map(str, range(6, HISTORY_LENGTH + 5)), "last"]
    assert page["channel_positions"][CHANNEL] == client.position(CHANNEL)


@pytest.mark.parametrize("page", [reverse_lazy("lobby"), "/rooms/kitchen/"])
def test_pages_are_for_those_who_logged_in(page: str) -> None:
    assert Client().get(page).status_code == 302
    assert log_in(DEMO_USERS[0].username).get(page).status_code == 200


def test_the_page_holds_what_its_script_connects_with() -> None:
    ApiGateway.objects.create(
        api_name="demo", api_endpoint="wss://abc.example.com", target_base_endpoint="https://example.com/ws/"
    )

    html = log_in("ada").get(reverse("room", args=["kitchen"])).content.decode()

    assert '"url": "wss://abc.example.com/production"' in html
    assert '"channel": "kitchen"' in html
    assert 'aria-current="page">Kitchen' in html


def test_there_are_only_the_rooms_that_there_are(ws_client: Any) -> None:
    assert log_in("ada").get("/rooms/attic/").status_code == 404
    user = User.objects.get_by_natural_key("ada")
    assert ws_client(ChatSocketView).connect(user=user, channel="attic").error == "channel_denied"


def test_a_message_that_comes_again_after_a_cut_is_said_once(enter: Enter, say: Say) -> None:
    before, grace = enter("ada"), enter("grace")
    ours = {"id": "1", "client": "page"}
    say(before, "Hello!", key="k", _ws=ours)
    after = enter("ada")

    again = say(after, "Hello!", key="k", _ws=ours)

    assert again.json() == {"_ws": {"reply_to": "1", "duplicate": True}}
    assert [(frame["text"], frame["key"]) for frame in heard(grace)] == [("Hello!", "k")]


def test_the_others_see_who_is_typing(enter: Enter) -> None:
    ada, grace, elsewhere = enter("ada"), enter("grace"), enter("grace", "kitchen")

    ada.send({"handler": "typing"})

    assert heard(grace, "typing") == [{"type": "typing", "room": CHANNEL, "author": "ada"}]
    assert heard(ada, "typing") == heard(elsewhere, "typing") == []


def test_who_comes_and_goes_is_shown_to_those_who_are_there(enter: Enter) -> None:
    ada, grace = enter("ada"), enter("grace")
    for client in (ada, grace):
        assert client.control("subscribe", channel=LOBBY.here).ok

    assert [member.info["name"] for member in presence.members(LOBBY.here)] == ["ada", "grace"]
    page = log_in("ada").get(reverse("lobby")).content.decode()
    assert "<li>ada</li><li>grace</li>" in page
    grace.disconnect()
    assert [member.info["name"] for member in presence.members(LOBBY.here)] == ["ada"]
    assert ada.control("subscribe", channel="here_attic").error == "channel_denied"


def test_logging_out_closes_the_socket(
    ws_client: Any, fake_connections: FakeConnections, django_capture_on_commit_callbacks: Any
) -> None:
    browser, client = log_in("ada"), ws_client(ChatSocketView)
    client.connect(token=browser.post(reverse("token")).json()["token"], channel=CHANNEL)

    with django_capture_on_commit_callbacks(execute=True):
        browser.post(reverse("logout"))

    assert fake_connections.closed == [client.connection_id]


def test_a_mention_waits_for_a_user_who_is_offline(enter: Enter, say: Say) -> None:
    grace = User.objects.get_by_natural_key("grace")
    say(enter("ada"), "Have a look, @grace; not you, @ada and @nobody.")
    assert inbox.unread(grace) == 1
    assert 'title="Unread mentions">1</span>' in log_in("grace").get("/").content.decode()

    client = enter("grace")
    answer = client.subscribe(inbox.channel(grace), {"acked": True})

    assert [message["data"]["author"] for message in answer["messages"]] == ["ada"]
    assert client.ack(inbox.channel(grace))["unread"] == 0
    assert " hidden>0</span>" in log_in("grace").get("/").content.decode()


def test_no_user_reads_the_mentions_of_another(enter: Enter) -> None:
    grace = User.objects.get_by_natural_key("grace")

    answer = enter("ada").subscribe(inbox.channel(grace), {"acked": True})

    assert answer["error"]["code"] == "channel_denied"
