"""A small site for the browser's client: one page under a strict policy, one view that counts."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template import engines
from django.urls import path

from websocket_gateway.views import WebSocketTokenView, WebSocketView

PAGE = """<!doctype html>
<title>page</title>
<link rel="icon" href="data:,">
<p id="state"></p>
{% load websocket_gateway %}
{% websocket_client channel="lobby" token_url="token" share_key=request.user.pk %}
<script type="module" nonce="{{ csp_nonce }}">
  import { fromPage } from "/static/websocket_gateway/client.js";
  const options = JSON.parse(new URLSearchParams(location.search).get("options") ?? "{}");
  window.states = [];
  window.frames_ = [];
  window.client = fromPage("websocket-gateway", options);
  client.on("$message", (frame) => frames_.push(frame));
  client.on("$state", ({ state, reason }) => {
    states.push(reason ? `${state}: ${reason}` : state);
    document.getElementById("state").textContent = states.at(-1);
  });
</script>
"""


class CountingView(WebSocketView):
    """`keep` leaves one row for each time that it is called."""

    deduplicate = True
    RATE_LIMIT_ENABLED = False
    troubles: ClassVar[list[Exception]] = []
    """What joining `news` meets, one after the other."""

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> Any:
        if channel_name == "news" and self.troubles:
            raise self.troubles.pop(0)
        return super().can_join_channel(request, channel_name)

    def keep(self, request: HttpRequest) -> dict[str, Any]:
        Group.objects.create(name=f"{self.body['n']} {secrets.token_hex(4)}")
        return {"kept": self.body["n"]}


def page(request: HttpRequest) -> HttpResponse:
    """The page. Nothing runs that does not carry the nonce, or come with what does."""
    nonce = secrets.token_urlsafe(16)
    text = engines["django"].from_string(PAGE).render({"csp_nonce": nonce}, request)
    response = HttpResponse(text)
    response["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; connect-src 'self' ws://127.0.0.1:*; img-src data:"
    )
    return response


def strict(request: HttpRequest) -> HttpResponse:
    """The same under `script-src 'self'` plus nonce."""
    response = page(request)
    policy = response["Content-Security-Policy"]
    response["Content-Security-Policy"] = policy.replace("script-src ", "script-src 'self' ")
    return response


def moved(request: HttpRequest) -> HttpResponse:
    """What a single sign-on does whose session has ended."""
    return HttpResponseRedirect(request.GET["to"])


urlpatterns = [
    path("", page),
    path("moved/", moved),
    path("strict/", strict),
    path("ws/<str:route>", CountingView.as_view()),
    path("token/", WebSocketTokenView.as_view(), name="token"),
]
