"""A project written for django-aws-api-gateway-websockets, with nothing changed but its imports."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponseForbidden, JsonResponse
from django.template import Context, Template
from django.test import Client
from django.urls import path
from django.views.generic import TemplateView

from tests.factories import (
    ApiGatewayAdditionalRouteFactory,
    ApiGatewayFactory,
    ChannelPermissionFactory,
    UserFactory,
)
from tests.views.stack import Stack
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.legacy.hooks import RETIRED
from websocket_gateway.mixins import AddWebSocketRouteToContextMixin, AppChannelWebSocketMixin
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.testing.events import DEFAULT_ORIGIN
from websocket_gateway.views import WebSocketTokenView, WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.test_moving_over")]


class ChatView(WebSocketView):
    route_selection_key = "action"
    ADDITIONAL_ALLOWED_HANDLERS = ["change_channel"]
    additional_required_headers = []
    joined: list[str] = []

    def connect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().connect(request, *args, **kwargs)
        if response.status_code == 200:
            self.joined.append(f"{request.user} by {request.headers['Connectionid']}")
        return response

    def disconnect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.joined.clear()
        return super().disconnect(request, *args, **kwargs)

    def default(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return JsonResponse({"ok": False, "error": "Unknown action."}, status=400)

    def fetch_history(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.websocket_session.send_message({"type": "history", "room": self.websocket_session.channel_name})
        return JsonResponse({"ok": True})

    def chat_message(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        if request.user.is_authenticated:
            message = {"by": request.user.get_username(), "text": self.body.get("message", "")}
            WebSocketSession.objects.filter(
                channel_name=self.websocket_session.channel_name, connected=True
            ).send_message(message)

    def change_channel(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().change_channel(request, *args, **kwargs)
        if response is not None:
            return response
        return JsonResponse({"ok": True, "channel": self.websocket_session.channel_name})

    def where(self, request: HttpRequest, route: str, room: str = "none") -> Any:
        return JsonResponse({"route": route, "room": room, "kwargs": self.kwargs})

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
        if self.websocket_session is not None and self.body.get("password") == "swordfish":
            return True
        return channel_name != "closed" and bool(super().can_join_channel(request, channel_name))

    def permission_denied(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return HttpResponseForbidden("Permission Denied")


class ReportsView(ChatView):
    permissions_required = ["auth.view_user"]
    CHECK_PERMISSIONS_ON_CONNECT = False


class RoomPage(AddWebSocketRouteToContextMixin, TemplateView):
    websocket_route_key = "chat"
    channel_name = "general"


class AppPage(AppChannelWebSocketMixin, TemplateView):
    __module__ = "django.contrib.auth.views"
    app_channel_override = "accounts"


urlpatterns = [
    path("ws/<slug:route>", ChatView.as_view(), name="chat_websocket"),
    path("rooms/<slug:room>/<slug:route>", ChatView.as_view()),
    path("reports/<slug:route>", ReportsView.as_view()),
    path("api/ws-token/", WebSocketTokenView.as_view(), name="ws_token"),
]


@pytest.fixture(autouse=True)
def origin_is_allowed(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [DEFAULT_ORIGIN]}


@pytest.fixture
def gateway() -> ApiGateway:
    return ApiGatewayFactory.create(default_channel_name="general")


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(UserFactory.create(username="ada"))
    return client


def opened(gateway: ApiGateway, browser: Client, *, base: str = "/ws/", channel: str | None = None) -> Stack:
    stack = Stack(gateway, client=browser, base=base)
    token = browser.post("/api/ws-token/").json()["token"]
    assert stack.connect(token=token, channel=channel).status_code == 200
    return stack


def test_connection_is_made_with_the_token_and_the_default_channel(
    gateway: ApiGateway, browser: Client
) -> None:
    stack = opened(gateway, browser)

    session = WebSocketSession.objects.select_related("user").get()
    assert (str(session.user), session.channel_name, session.connected) == ("ada", "general", True)
    assert ChatView.joined == [f"ada by {stack.connection_id}"]

    assert stack.disconnect().status_code == 200
    assert not WebSocketSession.objects.get().connected
    assert ChatView.joined == []


def test_messages_reach_the_handlers_by_either_key(
    gateway: ApiGateway, browser: Client, fake_connections: Any
) -> None:
    stack = opened(gateway, browser)

    assert stack.send({"action": "fetch_history"}).json() == {"ok": True}
    assert stack.send({"handler": "chat_message", "message": "hello"}).content == b""
    refused = stack.send({"action": "nonsense"})

    assert fake_connections.messages_to(stack.connection_id) == [
        {"type": "history", "room": "general"},
        {"by": "ada", "text": "hello"},
    ]
    assert (refused.status_code, refused.json()["ok"]) == (400, False)
    assert stack.send({"message": "no key"}).status_code == 400


def test_channel_is_changed_by_the_overridden_handler(gateway: ApiGateway, browser: Client) -> None:
    ChannelPermissionFactory.create(channel_name="office", audience="staff")
    stack = opened(gateway, browser)

    assert stack.send({"action": "change_channel", "channel": "other"}).json() == {
        "ok": True,
        "channel": "other",
    }
    assert stack.send({"action": "change_channel", "channel": "closed"}).status_code == 403
    assert stack.send({"action": "change_channel", "channel": "office"}).status_code == 403
    assert stack.send({"action": "change_channel", "channel": "office", "password": "swordfish"}).json()["ok"]
    assert stack.send({"action": "change_channel", "channel": "other"}).json()["ok"]
    assert stack.send({"action": "change_channel", "channel": "no name"}).status_code == 400
    assert WebSocketSession.objects.get().channel_name == "other"


def test_handler_gets_the_arguments_of_the_url(gateway: ApiGateway, browser: Client) -> None:
    plain = opened(gateway, browser).send({"action": "where"})
    stack = opened(gateway, browser, base="/rooms/blue/")

    assert plain.json() == {"route": "default", "room": "none", "kwargs": {"route": "default"}}
    assert stack.send({"action": "where"}).json()["room"] == "blue"


def test_permissions_and_the_hook_that_refuses(gateway: ApiGateway, browser: Client) -> None:
    stack = opened(gateway, browser, base="/reports/")

    answer = stack.send({"action": "fetch_history"})

    assert (answer.status_code, answer.content) == (403, b"Permission Denied")


def test_template_finds_the_domain_and_the_channel() -> None:
    ApiGatewayAdditionalRouteFactory.create(
        route_key="chat", api_gateway__domain_name="ws.example.com", api_gateway__api_name="chat"
    )
    template = Template(
        "{% if api_gateway_route %}{% with api_gateway_route.api_gateway as websocket %}"
        "wss://{{ websocket.domain_name }}?channel={{ channel_name|urlencode }}"
        "{% endwith %}{% endif %}"
    )

    page = template.render(Context(RoomPage().get_context_data()))

    assert page == "wss://ws.example.com?channel=general"
    assert AppPage().get_context_data()["channel_name"] == "accounts"


def hook(self: Any, request: HttpRequest) -> bool:
    return False


@pytest.mark.parametrize("name", sorted(RETIRED))
def test_view_with_a_hook_that_nobody_calls_any_more_is_an_error(name: str) -> None:
    told = rf"{name} would never be (called|read): .+\.\nSee management_docs/moving_over\.md\.$"

    with pytest.raises(ConfigurationError, match=rf"^View\.{told}"):
        type("View", (WebSocketView,), {name: hook})
    with pytest.raises(ConfigurationError, match=rf"^Mixin\.{told}"):
        type("View", (type("Mixin", (), {name: hook}), WebSocketView), {})


def test_all_hooks_of_all_classes_that_nobody_calls_any_more_are_told_at_once() -> None:
    mixin = type("Mixin", (), {"_get_client_ip": hook, "_debug": hook})
    names = {"_get_channel_name": hook, "invalid_gateway_secret": hook, "_debug": hook}

    with pytest.raises(ConfigurationError) as caught:
        type("View", (mixin, WebSocketView), names)

    assert [line.split(" would")[0] for line in str(caught.value).splitlines()[:-1]] == [
        "View._debug",
        "View._get_channel_name",
        "View.invalid_gateway_secret",
        "Mixin._debug",
        "Mixin._get_client_ip",
    ]


OLD_METHODS = """
    _exception_mail_is_due _debug setup _automatic_handlers _get_current_class_methods _return_bad_request
    route_selection_key_missing handler_selection_key_missing _gateway_secret_valid invalid_gateway_secret
    missing_headers permission_denied invalid_useragent _expected_headers _allowed_apigateway
    _check_platform_registered_api_gateways _expected_gateway_useragent _expected_useragent
    _check_allowed_hosts _check_host_is_in_origin _expected_connection_headers _validate_connection_id
    _login_still_holds _add_user_to_request _is_valid_channel_name _get_channel_name _load_session
    session_not_found dispatch connect _get_client_ip _additional_connection_checks disconnect default
    _passes_permission_checks get_channel_permission can_join_channel has_any_permission
    has_all_permission change_channel
"""


def test_every_method_of_the_other_view_is_a_hook_here_or_an_error() -> None:
    methods = OLD_METHODS.split()
    lost = [name for name in methods if not hasattr(WebSocketView, name) and name not in RETIRED]

    assert lost == []


class OwnChannel(WebSocketView):
    """The server decides: `_get_channel_name` there, two hooks here."""

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
        return channel_name == f"user-{request.user.pk}"

    def connect(self, request: HttpRequest) -> None:
        self.websocket_session.channel_name = f"user-{request.user.pk}"
        self.websocket_session.save(update_fields=["channel_name"])


@pytest.mark.parametrize(
    "asks", [False, True], ids=["a client that names none", "a client that names its own"]
)
def test_channel_that_the_server_decides_is_the_only_one(ws_client: Any, asks: bool) -> None:
    user = UserFactory.create()
    own = f"user-{user.pk}"
    client = ws_client(OwnChannel)

    assert client.connect(user=user, channel=own if asks else None).ok
    assert client.session.channel_name == own
    assert list(WebSocketSession.objects.in_channel(own)) == [client.session]
    assert client.control("subscribe", channel="user-0", reply_id="1").error == "channel_denied"
    assert client.send({"handler": "change_channel", "channel": "user-0"}).error == "unknown_handler"


def test_channel_of_somebody_else_is_refused_where_the_server_decides(ws_client: Any) -> None:
    client = ws_client(OwnChannel)

    assert client.connect(user=UserFactory.create(), channel="user-0").error == "channel_denied"
    assert not WebSocketSession.objects.exists()
