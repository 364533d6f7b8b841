"""Pages begin in channels where they were rendered."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.template import Context, Template, TemplateSyntaxError
from django.test import AsyncRequestFactory, RequestFactory
from django.views.generic import TemplateView, View

from websocket_gateway.channels import history
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.mixins import ResumeChannelsMixin
from websocket_gateway.sending import broadcast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("history")]

TAG = Template("{% load websocket_gateway %}{% websocket_client positions=positions %}")
WITHOUT = Template("{% load websocket_gateway %}{% websocket_client %}")


class OrdersPage(ResumeChannelsMixin, TemplateView):
    resume_channels = ["orders_eu", "short"]

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        broadcast({"n": 2}, channel="orders_eu")  # while the page is made
        return HttpResponse(WITHOUT.render(Context(self.get_context_data())))


def positions_in(html: str) -> Any:
    """The positions beside the configuration; a client of before them ignores the attribute."""
    found = re.search(r'<script (?:data-positions="([^"]*)" )?id=[^>]*>(.*?)</script>', html)
    assert found is not None
    assert "positions" not in json.loads(found[2])
    return found[1] and json.loads(unescape(found[1]))


def test_the_positions_are_read_before_the_view_runs() -> None:
    broadcast({"n": 1}, channel="orders_eu")
    before = history.position("orders_eu")

    page = OrdersPage.as_view()(RequestFactory().get("/"))

    assert positions_in(page.content.decode()) == {
        "orders_eu": before,
        "short": {"epoch": "", "offset": 0},
    }
    assert history.position("orders_eu")["offset"] == before["offset"] + 1


def test_an_asynchronous_view_reads_them_too() -> None:
    class Page(ResumeChannelsMixin, View):
        resume_channels = ["orders_eu"]

        async def get(self, request: Any) -> HttpResponse:
            return HttpResponse(json.dumps(self.channel_positions))

    view: Any = Page.as_view()
    answer: HttpResponse = async_to_sync(view)(AsyncRequestFactory().get("/"))

    assert json.loads(answer.content) == {"orders_eu": {"epoch": "", "offset": 0}}


def test_positions_of_many_channels_cost_one_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert [*history.positions(["orders_eu", "orders_us", "short"])] == [
            "orders_eu",
            "orders_us",
            "short",
        ]
    with django_assert_num_queries(0):
        assert history.positions([]) == {}
    with pytest.raises(ConfigurationError, match="'plain' has no history"):
        history.positions(["short", "plain"])


def test_the_tag_takes_positions_and_refuses_what_is_none() -> None:
    given = {"orders_eu": {"epoch": "abc", "offset": 3}}

    assert positions_in(TAG.render(Context({"positions": given}))) == given
    assert positions_in(TAG.render(Context({"positions": None}))) is None
    for wrong, reason in (
        (["orders_eu"], "positions must be a dict"),
        ({"orders_eu": 3}, "the position of channel 'orders_eu': A position is an object"),
        ({"orders_eu": {"last": 3}}, "has the keys epoch and offset"),
    ):
        with pytest.raises(TemplateSyntaxError, match=reason):
            TAG.render(Context({"positions": wrong}))
