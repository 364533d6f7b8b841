"""The same small site, with a view that says who is in its channels, and a page that shows it."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.generic import View

from tests.end_to_end import pages
from websocket_gateway.mixins import ResumeChannelsMixin


class PresentView(pages.CountingView):
    """Others see the name of the user."""

    def presence_info(self, request: HttpRequest, channel_name: str) -> dict[str, Any]:
        return {"name": request.user.get_username()}


class RenderedPage(ResumeChannelsMixin, View):
    """The page, rendered with the members of the channel."""

    presence_channels = ["room"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return pages.page(request, channel_members=self.channel_members)


SHOW = """() => {
  window.shown = [];
  window.room = client.channel("room");
  room.presence.on("change", ({ members, count }) => {
    const names = members.map(({ info }) => info?.name).sort().join(" ");
    shown.push(count === members.length ? names : `${names} of ${count}`);
  });
}"""
"""A page keeps each list that it is told."""


def shows(names: str) -> str:
    """What a page evaluates to know whether this is what it shows now."""
    return f"shown.at(-1) === {json.dumps(names)}"


urlpatterns = [
    path("ws/<str:route>", PresentView.as_view()),
    path("rendered/", RenderedPage.as_view()),
    *[found for found in pages.urlpatterns if not str(found.pattern).startswith("ws/")],
]
