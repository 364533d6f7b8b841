"""An API on one origin, and an app on another: bearer tokens by DRF, or the session's cookie."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tests.end_to_end.pages import CountingView
from websocket_gateway.client_config import build_user_marks
from websocket_gateway.exceptions import RateLimitedError
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.views import WebSocketTokenView

APP = """<!doctype html>
<link rel="icon" href="data:,">
<p id="state"></p>
<script type="module">
  import { connect } from "/static/websocket_gateway/client.js";
  const options = JSON.parse(new URLSearchParams(location.search).get("options"));
  window.bearer = options.bearer;
  const own = {
    headers: { headers: async () => ({ Authorization: `Bearer ${bearer}` }) },
    token: {
      token: async ({ signal }) => {
        const headers = { Authorization: `Bearer ${bearer}` };
        const response = await fetch(options.api, { method: "POST", headers, signal });
        return response.ok ? await response.json() : null;
      },
    },
    cookie: { credentials: "include" },
  }[options.way];
  window.client = connect({
    url: options.url,
    ...(options.way !== "token" && { tokenUrl: options.api }),
    backoffMs: 100,
    backoffMaxMs: 500,
    ...own,
  });
  client.on("$state", ({ state, reason }) => {
    document.getElementById("state").textContent = reason ? `${state}: ${reason}` : state;
  });
</script>
"""


class Bearer(BaseAuthentication):
    """What JWT and its like do: who it is stands in the token, signed."""

    def authenticate(self, request: Request) -> Any:
        kind, _, token = get_authorization_header(request).decode().partition(" ")
        try:
            return User.objects.get(pk=signing.loads(token)), kind
        except (signing.BadSignature, User.DoesNotExist):
            raise AuthenticationFailed from None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


@api_view(["POST"])
@authentication_classes([Bearer])
@permission_classes([IsAuthenticated])
def socket_token(request: Request) -> Response:
    """As the page on SPAs has it."""
    try:
        token = issue_token(request.user)
    except RateLimitedError as exc:
        headers = {"Retry-After": str(exc.retry_after)}
        return Response({"error": "rate_limited"}, status=429, headers=headers)
    return Response({"token": token, **build_user_marks(request.user)})


def app(request: HttpRequest) -> HttpResponse:
    return HttpResponse(APP)


urlpatterns = [
    path("app/", app),
    path("socket-token/", socket_token),
    path("token/", WebSocketTokenView.as_view(), name="token"),
    path("ws/<str:route>", CountingView.as_view()),
]
