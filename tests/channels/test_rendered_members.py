"""Pages begin with the members that they were rendered with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory, override_settings
from django.utils import timezone
from django.views.generic import TemplateView

from websocket_gateway.channels import presence
from websocket_gateway.channels.members import join, leave
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.mixins import ResumeChannelsMixin
from websocket_gateway.models import ChannelMember

pytestmark = pytest.mark.django_db(transaction=True)

TAG = Template("{% load websocket_gateway %}{% websocket_client members=members %}")
PAGE = Template(
    "{% load websocket_gateway %}{% websocket_client %}"
    "{% for member in channel_members.room %}<li>{{ member.info.name }}{% endfor %}"
)


class RoomPage(ResumeChannelsMixin, TemplateView):
    presence_channels = ["room"]

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        return HttpResponse(PAGE.render(Context(self.get_context_data())))


@pytest.fixture(autouse=True)
def channels() -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": {"room*": {"PRESENCE": True}}}):
        yield


def members_in(html: str) -> Any:
    found = re.search(r"<script id=[^>]*>(.*?)</script>", html)
    assert found is not None
    return json.loads(found[1]).get("members")


def test_the_page_shows_the_members_and_its_client_begins_with_them() -> None:
    came = join("room", "u:1", {"name": "</script><b>"})
    assert came is not None

    html = RoomPage.as_view()(RequestFactory().get("/")).content.decode()

    assert members_in(html) == {
        "room": {
            "count": 1,
            "members": [{"id": "u:1", "info": {"name": "</script><b>"}, "v": came.generation}],
            "more": False,
        }
    }
    assert html.endswith("<li>&lt;/script&gt;&lt;b&gt;")


def test_who_has_just_left_is_still_shown_because_the_page_may_be_loaded_again() -> None:
    for name in ("u:1", "u:2", "u:3"):
        join("room", name, {})
    leave("room", "u:1")
    leave("room", "u:2")
    ChannelMember.objects.filter(member="u:2").update(left_on=timezone.now() - timedelta(seconds=11))
    join("room_2", "u:1", {})
    leave("room_2", "u:1")

    found = presence.snapshot(["room", "room_2"])

    shown = {name: [(one.id, one.left_on is None) for one in members] for name, members in found.items()}
    assert shown == {"room": [("u:3", True), ("u:1", False)], "room_2": [("u:1", False)]}
    assert [one.get("left") for one in found["room"].as_dict()["members"]] == [None, True]  # type: ignore[attr-defined]
    join("room", "u:1", {})
    assert [one.left_on for one in presence.snapshot(["room"])["room"]] == [None, None]


def test_a_large_channel_is_given_by_its_number(django_assert_num_queries: Any) -> None:
    rows = [ChannelMember(channel_name="room", member=f"u:{number}") for number in range(101)]
    ChannelMember.objects.bulk_create(rows[:100])
    with django_assert_num_queries(2):
        found = presence.snapshot(["room"])["room"]
    assert (len(found), found.total, found.as_dict()["more"]) == (100, 100, False)

    rows[100].save()
    with django_assert_num_queries(3):
        found = presence.snapshot(["room"])["room"]
    assert (len(found), found.total, found.as_dict()["more"]) == (100, 101, True)
    with django_assert_num_queries(3):
        presence.snapshot(["room_2", "room_3"])
    with django_assert_num_queries(0):
        assert presence.snapshot([]) == {}


def test_the_tag_takes_a_snapshot_and_refuses_what_is_none() -> None:
    join("room", "u:1", {})
    given = async_to_sync(presence.asnapshot)(["room"])

    assert members_in(TAG.render(Context({"members": given})))["room"]["count"] == 1
    assert members_in(TAG.render(Context({"members": None}))) is None
    for wrong in (["room"], {"room": presence.members("room")}, given["room"]):
        with pytest.raises(TemplateSyntaxError, match=r"members must be what presence\.snapshot"):
            TAG.render(Context({"members": wrong}))
    with pytest.raises(ConfigurationError, match="'news' has no presence"):
        presence.snapshot(["room", "news"])
