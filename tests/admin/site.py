"""A site with the admin, a socket that anybody may open, and a page that opens it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path

from websocket_gateway.views import WebSocketView

PAGE = """<!doctype html><title>A visitor</title><p id="state">waiting</p><ul id="heard"></ul><script>
const state = document.getElementById("state");
const socket = new WebSocket(new URLSearchParams(location.search).get("url") + "?channel=lobby");
socket.onopen = () => { state.textContent = "open"; };
socket.onclose = () => { state.textContent = "closed"; };
socket.onmessage = (event) => {
  const item = document.createElement("li");
  item.textContent = event.data;
  document.getElementById("heard").append(item);
};
</script>"""


class OpenView(WebSocketView):
    """No token: anybody may come in."""

    USE_WS_TOKEN = False


def visitor(request: HttpRequest) -> HttpResponse:
    """The page."""
    return HttpResponse(PAGE)


urlpatterns = [
    path("admin/", admin.site.urls),
    path("visitor/", visitor),
    path("ws/<slug:route>", OpenView.as_view()),
]
