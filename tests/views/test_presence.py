"""The control frame `presence`, its hooks, the sweep, and the Python API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.utils import timezone
from django.views.generic import TemplateView

from tests.factories import UserFactory, WebSocketSessionFactory
from tests.sink import gateway_fixture, sink_fixture
from websocket_gateway.channels import presence
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.mixins import ResumeChannelsMixin
from websocket_gateway.models import ApiGateway, Channel, ChannelMember, WebSocketSession
from websocket_gateway.purging import purge
from websocket_gateway.testing import WebSocketClient
from websocket_gateway.views import WebSocketView

__all__ = ["gateway_fixture", "sink_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)


class Room(WebSocketView):
    """Shows the names of its users, but not that of the ghost."""

    def presence_info(self, request: Any, channel_name: str) -> Any:
        if request.user.username == "ghost":
            return None
        return {"name": request.user.username}

    def can_see_presence(self, request: Any, channel_name: str) -> Any:
        return request.user.username != "blind"


class Named(WebSocketView):
    """Gives all of its users one name."""

    def presence_member(self, request: Any) -> Any:
        return "desk"


@pytest.fixture(autouse=True)
def channels() -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": {"room*": {"PRESENCE": True}}}):
        yield


def tab(gateway: ApiGateway, name: str, view: Any = Room, channel: str | None = "room") -> WebSocketClient:
    client = WebSocketClient(view, gateway=gateway)
    assert client.connect(user=UserFactory.create(username=name), channel=channel).ok
    return client


def ask(client: WebSocketClient, **fields: object) -> Any:
    return client.control("presence", reply_id="p", **{"channel": "room", **fields}).json()["_ws"]


def test_a_member_gets_the_list(sink: Any, gateway: ApiGateway) -> None:
    ada = tab(gateway, "ada")
    tab(gateway, "bob")
    tab(gateway, "ghost")

    answer = ask(ada)

    assert (answer["count"], answer["more"], answer["channel"]) == (2, False, "room")
    assert [one["info"]["name"] for one in answer["members"]] == ["ada", "bob"]
    assert [one["id"] for one in answer["members"]] == [member.id for member in presence.members("room")]


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("ada", {"channel": "news"}, "presence_off"),
        ("ada", {"channel": "room_2"}, "not_subscribed"),
        ("blind", {}, "permission_denied"),
        ("ada", {"channel": 7}, "invalid_channel"),
        ("ada", {"after": -1}, "invalid_position"),
        ("ada", {"after": True}, "invalid_position"),
        ("ada", {"after": 2**70}, "invalid_position"),
    ],
)
def test_who_may_not_ask(sink: Any, gateway: ApiGateway, name: str, fields: Any, code: str) -> None:
    assert ask(tab(gateway, name), **fields)["error"]["code"] == code


def test_pages_are_followed_to_the_end(sink: Any, gateway: ApiGateway) -> None:
    ada = tab(gateway, "ada")
    rows = [ChannelMember(channel_name="room", member=f"u:m{n}", info={"n": "x" * 500}) for n in range(150)]
    ChannelMember.objects.bulk_create(rows)
    Channel.objects.update(swept_on=timezone.now())

    seen: list[str] = []
    after = 0
    for pages in range(1, 10):  # noqa: B007
        answer = ask(ada, after=after)
        seen += [one["id"] for one in answer["members"]]
        if not answer["more"]:
            break
        after = answer["after"]

    assert answer["count"] == len(seen) == len(set(seen)) == 151
    assert pages == 3  # of about 30,000 bytes


def test_another_name_counts_once_over_users(sink: Any, gateway: ApiGateway) -> None:
    first, second = tab(gateway, "ada", Named), tab(gateway, "bob", Named)
    first.disconnect()
    assert [member.id for member in presence.members("room")] == ["desk"]
    assert presence.is_present("desk", "room")
    second.disconnect()
    assert presence.members("room") == []


def test_a_hook_that_returns_something_else_is_a_mistake_of_the_project(
    sink: Any, gateway: ApiGateway
) -> None:
    class Wrong(WebSocketView):
        def presence_info(self, request: Any, channel_name: str) -> Any:
            return {"text": "x" * 1024}

    client = tab(gateway, "ada", Wrong, channel=None)
    reply = client.control("subscribe", channel="room", reply_id="1")

    assert reply.error == "internal_error"
    assert presence.count("room") == 0


@pytest.mark.parametrize("wrong", [{"a": {1}}, [1], {"text": "x" * 1024}], ids=str)
def test_a_wrong_hook_leaves_no_connection_open(sink: Any, gateway: ApiGateway, wrong: Any) -> None:
    class Wrong(WebSocketView):
        def presence_info(self, request: Any, channel_name: str) -> Any:
            return wrong

    client = WebSocketClient(Wrong, gateway=gateway)

    assert client.connect(user=UserFactory.create(), channel="room").status_code == 500
    assert not WebSocketSession.objects.get().connected
    assert presence.count("room") == 0


def test_silent_members_are_swept_and_come_back_with_a_sign_of_life(sink: Any, gateway: ApiGateway) -> None:
    ada, bob = tab(gateway, "ada"), tab(gateway, "bob")
    long_ago = timezone.now() - timedelta(seconds=541)
    WebSocketSession.objects.filter(pk=bob.session.pk).update(last_seen_on=long_ago)
    assert ask(ada)["count"] == 2  # this minute's sweep was at the join

    Channel.objects.update(swept_on=timezone.now() - timedelta(seconds=61))
    assert ask(ada)["count"] == 1
    bob.control("ping", reply_id="1")
    assert ask(ada)["count"] == 2


def test_a_heartbeat_sweeps(sink: Any, gateway: ApiGateway) -> None:
    ada, bob = tab(gateway, "ada"), tab(gateway, "bob")
    WebSocketSession.objects.filter(pk=bob.session.pk).delete()  # nothing was told of its end
    WebSocketSession.objects.update(last_seen_on=timezone.now() - timedelta(seconds=61))
    Channel.objects.update(swept_on=timezone.now() - timedelta(seconds=61))

    ada.control("ping", reply_id="1")

    assert [member.info for member in presence.members("room")] == [{"name": "ada"}]


def test_a_member_whose_join_was_cut_short_is_made_one_when_it_asks(sink: Any, gateway: ApiGateway) -> None:
    ada = tab(gateway, "ada")
    ChannelMember.objects.all().delete()

    assert ask(ada)["count"] == 1


def test_connections_without_presence_cost_nothing_more(
    sink: Any, gateway: ApiGateway, django_assert_num_queries: Any
) -> None:
    ada = tab(gateway, "ada", channel="news")
    with override_settings(WEBSOCKET_GATEWAY={}), django_assert_num_queries(2):
        ada.control("ping", reply_id="1")
    with django_assert_num_queries(2):
        ada.control("ping", reply_id="2")


def test_the_purge_deletes_members_who_left_long_ago(gateway: ApiGateway) -> None:
    now = timezone.now()
    for name, left_on in (("old", now - timedelta(days=8)), ("new", now), ("here", None)):
        ChannelMember.objects.create(
            channel_name="room", member=name, present=left_on is None, left_on=left_on
        )

    assert purge().counts["members_deleted"] == 1
    assert set(ChannelMember.objects.values_list("member", flat=True)) == {"new", "here"}


def test_the_python_api(gateway: ApiGateway) -> None:
    session = WebSocketSessionFactory.create(api_gateway=gateway, user=UserFactory.create())
    session.subscribe("room")
    user = session.user
    assert user is not None

    assert presence.count("room") == async_to_sync(presence.acount)("room") == 1
    assert presence.is_present(user, "room")
    assert not async_to_sync(presence.ais_present)(user, "room_2")
    assert [member.id for member in async_to_sync(presence.amembers)("room", limit=1)] == [f"u:{user.pk}"]
    for call in (presence.members, presence.count):
        with pytest.raises(ConfigurationError, match="news.*PRESENCE"):
            call("news")
    with pytest.raises(ValueError, match="limit must be 1"):
        presence.members("room", limit=0)


def test_a_page_is_rendered_with_the_members(sink: Any, gateway: ApiGateway) -> None:
    class Page(ResumeChannelsMixin, TemplateView):
        presence_channels = ["room"]

        def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            members = self.get_context_data()["channel_members"]["room"]
            return HttpResponse(" ".join(member.info["name"] for member in members))

    tab(gateway, "ada")

    assert Page.as_view()(RequestFactory().get("/")).content == b"ada"


def test_in_a_test_that_never_commits_joins_are_seen_after_the_event(ws_client: Any) -> None:
    with transaction.atomic():
        client = ws_client(Room)
        client.connect(user=UserFactory.create(username="ada"))
        client.control("subscribe", channel="room", reply_id="1")

        assert [member.info for member in presence.members("room")] == [{"name": "ada"}]
        client.control("unsubscribe", channel="room", reply_id="2")
        assert presence.count("room") == 0
        transaction.set_rollback(True)
