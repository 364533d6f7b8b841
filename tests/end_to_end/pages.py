"""A small site for the browser's client: one page under a strict policy, one view that counts."""

from __future__ import annotations

import secrets
import time
from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template import engines
from django.urls import path

from websocket_gateway.channels import history
from websocket_gateway.sending import broadcast
from websocket_gateway.views import WebSocketTokenView, WebSocketView

PAGE = """<!doctype html>
<title>page</title>
<link rel="icon" href="data:,">
<p id="state"></p>
{% load websocket_gateway %}
{% websocket_client channel="lobby" token_url="token" share_key=request.user.pk %}
<script type="module" nonce="{{ csp_nonce }}">
  import { fromPage } from "/static/websocket_gateway/client.js";
  const { without, ...options } = JSON.parse(new URLSearchParams(location.search).get("options") ?? "{}");
  if (without === "leave to lock") {
    LockManager.prototype.request = () => Promise.reject(new DOMException("denied", "SecurityError"));
  } else if (without) {
    Object.defineProperty(without === "locks" ? Navigator.prototype : window, without, { value: undefined });
  }
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
SESSION = '<!doctype html><link rel="icon" href="data:,">'


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

    def place(self, request: HttpRequest) -> dict[str, Any]:
        """An order and its message, slowly enough that a cut can meet every step."""
        time.sleep(0.03)
        order = Group.objects.create(name=f"{self.body['n']} {secrets.token_hex(4)}")
        broadcast({"type": "order", "n": self.body["n"]}, channel="orders_eu")
        time.sleep(0.03)
        return {"id": order.pk}


class ToldTokenView(WebSocketTokenView):
    """Answers a status in place of a token while it is told to, and counts."""

    status: ClassVar[int] = 0
    asked: ClassVar[int] = 0

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        type(self).asked += 1
        return HttpResponse(status=self.status) if self.status else super().post(request, *args, **kwargs)


def session(request: HttpRequest) -> HttpResponse:
    """What a login, or a logout, in another tab does to the cookie."""
    response = HttpResponse(SESSION)
    key = request.GET["key"]
    response.set_cookie("sessionid", key) if key else response.delete_cookie("sessionid")
    return response


def new_key(request: HttpRequest) -> HttpResponse:
    """What a view does that gives the session of its visitor a new key."""
    request.session.cycle_key()
    return HttpResponse(SESSION)


def page(request: HttpRequest, **context: object) -> HttpResponse:
    """The page. Nothing runs that does not carry the nonce, or come with what does."""
    nonce = secrets.token_urlsafe(16)
    text = engines["django"].from_string(PAGE).render({"csp_nonce": nonce, **context}, request)
    response = HttpResponse(text)
    response["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; connect-src 'self' ws://127.0.0.1:*; img-src data:"
    )
    return response


def resuming(request: HttpRequest) -> HttpResponse:
    """The same with a position, and a message that was published after it was read."""
    positions = history.positions(["orders_eu"])
    broadcast({"type": "order", "n": "meanwhile"}, channel="orders_eu")
    return page(request, channel_positions=positions)


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
    path("resuming/", resuming),
    path("strict/", strict),
    path("ws/<str:route>", CountingView.as_view()),
    path("session/", session),
    path("new-key/", new_key),
    path("token/", ToldTokenView.as_view(), name="token"),
]
