"""Every attribute and hook of `WebSocketView`, each with its default and its meaning."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.utils.decorators import method_decorator

from tests.factories import ApiGatewayFactory, ChannelPermissionFactory, UserFactory
from tests.views.stack import Stack
from tests.views.urls import StackView
from websocket_gateway.models import ChannelSubscription, ConnectionRateLimit, WebSocketSession
from websocket_gateway.routing import requires
from websocket_gateway.services.tokens import issue_token
from websocket_gateway.testing import message_request
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


def user_with(*codenames: str) -> User:
    user = UserFactory.create()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.fixture
def connected(ws_client: Any) -> Any:
    """Make a connected client of a view."""

    def connect(view: Any = StackView, user: User | None = None, **initkwargs: Any) -> Any:
        client = ws_client(view, **initkwargs)
        reply = client.connect(user=user or UserFactory.create())
        assert reply.status_code == 200, reply
        return client

    return connect


# Defaults


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("USE_WS_TOKEN", True),
        ("RATE_LIMIT_ENABLED", True),
        ("RATE_LIMIT_MAX_ATTEMPTS", None),
        ("RATE_LIMIT_MAX_ATTEMPTS_PER_IP", None),
        ("RATE_LIMIT_WINDOW_MINUTES", None),
        ("MAX_BODY_SIZE", 131_072),
        ("MAX_CHANNEL_NAME_LENGTH", 191),
        ("ALLOW_UNLISTED_CHANNELS", True),
        ("CHECK_PERMISSIONS_ON_CONNECT", True),
        ("handler_selection_key", "handler"),
        ("route_selection_key", "action"),
        ("aws_api_gateway_id", None),
        ("expected_useragent_prefix", "AmazonAPIGateway_"),
        ("debug", False),
    ],
)
def test_default_of_an_attribute(name: str, default: Any) -> None:
    assert getattr(WebSocketView, name) == default


@pytest.mark.parametrize(
    "name",
    [
        "ALLOWED_HANDLERS",
        "ADDITIONAL_ALLOWED_HANDLERS",
        "permissions_required",
        "all_permissions_required",
        "websocket_route_keys",
        "additional_required_headers",
    ],
)
def test_attribute_that_is_empty_by_default(name: str) -> None:
    assert not getattr(WebSocketView, name)


# Tokens and identity


def test_connect_needs_a_token_by_default(ws_client: Any) -> None:
    assert ws_client(StackView).connect().error == "invalid_token"


def test_public_view_lets_strangers_in_as_nobody(ws_client: Any) -> None:
    client = ws_client(StackView, USE_WS_TOKEN=False)

    assert client.connect().ok
    assert client.session.user is None
    assert client.send({"handler": "say"}).json()["by"] == "AnonymousUser"


@pytest.mark.urls("tests.views.urls")
def test_public_view_takes_the_user_of_the_session_cookie(client: Client) -> None:
    user = UserFactory.create()
    client.force_login(user)
    stack = Stack(ApiGatewayFactory.create(), base="/public/", client=client)

    assert stack.connect().status_code == 200
    assert WebSocketSession.objects.get().user == user


@pytest.mark.urls("tests.views.urls")
def test_cookie_of_another_session_beside_the_token_is_refused(client: Client) -> None:
    user = UserFactory.create()
    client.force_login(user)
    gateway = ApiGatewayFactory.create()

    foreign = Stack(gateway, client=client).connect(token=issue_token(user, session_key="another"))
    own = Stack(gateway, client=client).connect(token=client.post("/token/").json()["token"])

    assert (foreign.status_code, own.status_code) == (403, 200)


def test_token_as_subprotocol_is_accepted_and_only_the_first_is_echoed(ws_client: Any) -> None:
    client = ws_client(StackView)

    reply = client.connect(subprotocol_token=issue_token(UserFactory.create()))

    assert reply.ok
    assert reply.response["Sec-WebSocket-Protocol"] == "websocket-gateway"


def test_subprotocol_that_was_not_offered_is_not_echoed(ws_client: Any) -> None:
    reply = ws_client(StackView).connect(user=UserFactory.create())

    assert "Sec-WebSocket-Protocol" not in reply.response


# Rate limits


def test_limit_per_user(ws_client: Any) -> None:
    user = UserFactory.create()

    replies = [ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=2).connect(user=user) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert 1 <= int(replies[-1].response["Retry-After"]) <= 300


def test_office_behind_one_address_is_not_shut_out(ws_client: Any) -> None:
    replies = [
        ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(user=UserFactory.create()) for _ in range(5)
    ]

    assert all(reply.ok for reply in replies)


def test_wrong_tokens_of_an_address_leave_its_users_alone(ws_client: Any) -> None:
    wrong = [ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(token="wrong") for _ in range(3)]
    right = ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(user=UserFactory.create())

    assert [reply.status_code for reply in wrong] == [403, 429, 429]
    assert right.ok


def test_all_attempts_of_an_address_have_a_limit_of_ten_times_as_many(ws_client: Any) -> None:
    replies = [
        ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(user=UserFactory.create()) for _ in range(11)
    ]

    assert [reply.status_code for reply in replies] == [200] * 10 + [429]


def test_limit_per_address_can_be_set(ws_client: Any) -> None:
    options = {"RATE_LIMIT_MAX_ATTEMPTS_PER_IP": 1}
    users = UserFactory.create_batch(2)

    replies = [ws_client(StackView, **options).connect(user=user) for user in users]
    elsewhere = ws_client(StackView, **options).connect(user=users[1], source_ip="198.51.100.1")

    assert [reply.status_code for reply in replies] == [200, 429]
    assert elsewhere.ok


def test_window_is_part_of_the_view(ws_client: Any) -> None:
    ws_client(StackView, RATE_LIMIT_WINDOW_MINUTES=7).connect(user=UserFactory.create())

    assert ConnectionRateLimit.objects.filter(key__startswith="connect:420s:user:").exists()


def test_settings_stand_in_for_attributes_that_are_none(ws_client: Any, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "RATE_LIMIT_MAX_ATTEMPTS": 1,
        "RATE_LIMIT_WINDOW_MINUTES": 3,
    }
    user = UserFactory.create()

    replies = [ws_client(StackView).connect(user=user) for _ in range(2)]

    assert [reply.status_code for reply in replies] == [200, 429]
    assert ConnectionRateLimit.objects.filter(key__startswith="connect:180s:user:").exists()


def test_limits_can_be_switched_off(ws_client: Any) -> None:
    options = {"RATE_LIMIT_ENABLED": False, "RATE_LIMIT_MAX_ATTEMPTS": 0}

    assert ws_client(StackView, **options).connect(user=UserFactory.create()).ok
    assert not ConnectionRateLimit.objects.filter(key__startswith="connect").exists()


# Bodies


def test_body_beyond_the_limit_is_413(connected: Any) -> None:
    client = connected(MAX_BODY_SIZE=100)

    fits = b'{"handler": "nothing", "text": "%s"}'
    assert client.send(fits % (b"x" * (100 - len(fits) + 2))).status_code == 200
    assert client.send(fits % (b"x" * (100 - len(fits) + 3))).status_code == 413


def test_declared_size_is_refused_before_the_gateway_is_asked_for(rf: Any) -> None:
    request = rf.post("/ws/default", b"{}", content_type="application/json", CONTENT_LENGTH="131073")

    assert StackView.as_view()(request, route="default").status_code == 413


@pytest.mark.parametrize("length", ["x", "-1", "1" * 5000, "²", "1.5", " 1"])
def test_content_length_that_is_no_number_is_400(rf: Any, length: str) -> None:
    request = rf.post("/ws/default", b"{}", content_type="application/json", CONTENT_LENGTH=length)

    assert StackView.as_view()(request, route="default").status_code == 400


def test_body_beyond_djangos_own_limit_is_413(connected: Any, settings: Any) -> None:
    client = connected()
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 50

    assert client.send({"handler": "say", "text": "x" * 100}).status_code == 413


def test_body_that_cannot_be_read_any_more_is_400(connected: Any) -> None:
    client = connected()
    request = message_request(client.gateway, client.connection_id, {"handler": "say"})
    request.read(1)

    assert StackView.as_view()(request, route="default").status_code == 400


def test_body_whose_size_was_not_declared_is_measured(connected: Any) -> None:
    client = connected()
    request = message_request(client.gateway, client.connection_id, {"handler": "say", "text": "x" * 200})
    request.META["CONTENT_LENGTH"] = ""
    request._body = b"x" * 200_000

    assert StackView.as_view()(request, route="default").status_code == 413


# Channels


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 191])
def test_channel_of_the_query_is_joined(ws_client: Any, name: str) -> None:
    client = ws_client(StackView)

    assert client.connect(user=UserFactory.create(), channel=name).ok
    assert client.session.channel_name == name


@pytest.mark.parametrize(
    "name",
    ["a b", "a\n", "\na", "a\x00", "x" * 192, "ä", "a/b", "a.b", "\u200b", "*", " ", "％"],
)
def test_text_that_is_no_channel_name_is_400(ws_client: Any, name: str) -> None:
    reply = ws_client(StackView).connect(user=UserFactory.create(), channel=name)

    assert (reply.status_code, reply.error) == (400, "invalid_channel")
    assert not WebSocketSession.objects.exists()


def test_length_of_channel_names_can_be_lowered(ws_client: Any) -> None:
    options = {"MAX_CHANNEL_NAME_LENGTH": 3}

    assert ws_client(StackView, **options).connect(user=UserFactory.create(), channel="abc").ok
    assert not ws_client(StackView, **options).connect(user=UserFactory.create(), channel="abcd").ok


def test_length_beyond_the_column_is_refused_whatever_the_view_says(ws_client: Any) -> None:
    reply = ws_client(StackView, MAX_CHANNEL_NAME_LENGTH=500).connect(
        user=UserFactory.create(), channel="x" * 192
    )

    assert reply.error == "invalid_channel"


@pytest.mark.parametrize("pattern", [r"^room\.[0-9]+$", re.compile(r"room\.[0-9]+")])
def test_pattern_is_a_full_match_as_text_or_compiled(ws_client: Any, pattern: Any) -> None:
    def connect(channel: str) -> bool:
        client = ws_client(StackView, CHANNEL_NAME_PATTERN=pattern)
        return bool(client.connect(user=UserFactory.create(), channel=channel).ok)

    assert connect("room.1")
    assert not connect("room.1\n")
    assert not connect("xroom.1")


def test_pattern_that_matches_everything_still_keeps_nul_out(ws_client: Any) -> None:
    client = ws_client(StackView, CHANNEL_NAME_PATTERN=re.compile(".*", re.DOTALL))

    assert client.connect(user=UserFactory.create(), channel="a\x00b").status_code == 400


def test_name_that_ends_in_a_space_is_refused_whatever_the_pattern_says(ws_client: Any) -> None:
    client = ws_client(StackView, CHANNEL_NAME_PATTERN=".*")

    assert client.connect(user=UserFactory.create(), channel="staff ").error == "invalid_channel"


def test_unlisted_channels_can_be_closed(ws_client: Any) -> None:
    ChannelPermissionFactory.create(channel_name="listed")
    options = {"ALLOW_UNLISTED_CHANNELS": False}

    assert ws_client(StackView, **options).connect(user=UserFactory.create(), channel="listed").ok
    other = ws_client(StackView, **options).connect(user=UserFactory.create(), channel="other")
    assert (other.status_code, other.error) == (403, "channel_denied")


def test_default_channel_of_the_gateway_is_asked_for_too(ws_client: Any) -> None:
    ApiGatewayFactory.create(default_channel_name="staff")
    ChannelPermissionFactory.create(channel_name="staff", audience="staff")

    assert not ws_client(StackView).connect(user=UserFactory.create()).ok
    assert ws_client(StackView).connect(user=UserFactory.create(staff=True)).ok


def test_can_join_channel_rules_connect_subscribe_and_change(ws_client: Any) -> None:
    class View(StackView):
        ADDITIONAL_ALLOWED_HANDLERS = ["change_channel"]

        def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
            return channel_name.startswith(f"{request.user}-")

    user = UserFactory.create()
    client = ws_client(View)

    assert not ws_client(View).connect(user=user, channel="lobby").ok
    assert client.connect(user=user, channel=f"{user}-1").ok
    assert client.control("subscribe", channel="lobby").error == "channel_denied"
    assert client.control("subscribe", channel=f"{user}-2").ok
    assert client.send({"handler": "change_channel", "channel": "lobby"}).error == "channel_denied"
    assert client.send({"handler": "change_channel", "channel": f"{user}-3"}).ok
    assert client.session.channel_name == f"{user}-3"


def test_change_channel_is_no_handler_unless_listed_or_overridden(connected: Any) -> None:
    assert connected().send({"handler": "change_channel", "channel": "x"}).error == "unknown_handler"


def test_subscribing_and_unsubscribing_by_control_frames(connected: Any) -> None:
    client = connected()

    subscribed = client.control("subscribe", channel="news", reply_id="1")
    again = client.control("subscribe", channel="news")
    in_channel = list(WebSocketSession.objects.in_channel("news"))
    unsubscribed = client.control("unsubscribe", channel="news")

    assert subscribed.json() == {"_ws": {"type": "subscribed", "channel": "news", "reply_to": "1"}}
    assert again.ok
    assert in_channel == [client.session]
    assert unsubscribed.json() == {"_ws": {"type": "unsubscribed", "channel": "news"}}
    assert not ChannelSubscription.objects.exists()


@pytest.mark.parametrize("channel", [None, 7, [], {}, "", "a b", "x" * 192, True])
def test_control_frame_with_no_channel_name_is_400(connected: Any, channel: Any) -> None:
    client = connected()

    for kind in ("subscribe", "unsubscribe"):
        assert client.control(kind, channel=channel).error == "invalid_channel"


def test_subscriptions_of_a_connection_are_bounded(connected: Any) -> None:
    client = connected(MAX_SUBSCRIPTIONS=2)

    replies = [client.control("subscribe", channel=f"c{number}") for number in range(3)]

    assert [reply.error for reply in replies] == [None, None, "too_many_channels"]


def test_ping_is_answered_by_pong(connected: Any) -> None:
    client = connected()

    assert client.control("ping").json() == {"_ws": {"type": "pong"}}
    assert client.control("ping", reply_id="p1").json() == {"_ws": {"type": "pong", "reply_to": "p1"}}
    assert client.control("pong").content == b""


@pytest.mark.parametrize("kind", ["subscribed", "", None, 7, ["ping"], {"ping": 1}])
def test_unknown_control_frame_is_400(connected: Any, kind: Any) -> None:
    reply = connected().send({"_ws": {"type": kind}})

    assert (reply.status_code, reply.error) == (400, "unknown_control")


# Choosing the handler


def test_preferred_key_wins_and_the_legacy_key_is_tried_next(connected: Any) -> None:
    client = connected()

    assert client.send({"handler": "say", "action": "nothing", "text": "x"}).json()["said"] == "x"
    assert client.send({"action": "say", "text": "x"}).json()["said"] == "x"
    assert client.send({"handler": "nonsense", "action": "say", "text": "x"}).json()["said"] == "x"
    assert client.send({"handler": ["say"], "action": "say", "text": "x"}).json()["said"] == "x"


def test_frame_with_neither_key_is_400(connected: Any) -> None:
    reply = connected().send({"text": "x"})

    assert (reply.status_code, reply.error) == (400, "handler_missing")


def test_keys_can_be_renamed(connected: Any) -> None:
    client = connected(handler_selection_key="type", route_selection_key="kind")

    assert client.send({"type": "say"}).ok
    assert client.send({"kind": "say"}).ok
    assert client.send({"handler": "say"}).error == "handler_missing"


@pytest.mark.parametrize(
    "name",
    ["_refuse", "__init__", "dispatch", "connect", "as_view", "SAY", "say ", "", None, 1, True, {}, []],
)
def test_name_that_is_no_handler_goes_to_default(connected: Any, name: Any) -> None:
    class View(StackView):
        def default(self, request: HttpRequest) -> dict[str, Any]:
            return {"default": True}

    assert connected(View).send({"handler": name}).json() == {"default": True}


def test_body_is_the_object_without_the_reserved_key(connected: Any) -> None:
    class View(WebSocketView):
        def echo(self, request: HttpRequest) -> dict[str, Any]:
            return self.body

    reply = connected(View).send({"handler": "echo", "n": 1, "_ws": {"id": "7", "epoch": 3}})

    assert reply.json() == {"handler": "echo", "n": 1, "_ws": {"reply_to": "7"}}


# Permissions


def test_user_needs_one_of_permissions_required(ws_client: Any) -> None:
    options = {"permissions_required": ["auth.view_user", "auth.add_user"]}

    assert ws_client(StackView, **options).connect(user=user_with("add_user")).ok
    refused = ws_client(StackView, **options).connect(user=user_with("delete_user"))
    assert (refused.status_code, refused.error) == (403, "permission_denied")


def test_user_needs_all_of_all_permissions_required(ws_client: Any) -> None:
    options = {"all_permissions_required": ["auth.view_user", "auth.add_user"]}

    assert ws_client(StackView, **options).connect(user=user_with("add_user", "view_user")).ok
    assert not ws_client(StackView, **options).connect(user=user_with("add_user")).ok


def test_both_lists_hold_when_both_are_set(ws_client: Any) -> None:
    options = {"permissions_required": ["auth.view_user"], "all_permissions_required": ["auth.add_user"]}

    assert ws_client(StackView, **options).connect(user=user_with("add_user", "view_user")).ok
    assert not ws_client(StackView, **options).connect(user=user_with("add_user")).ok
    assert not ws_client(StackView, **options).connect(user=user_with("view_user")).ok


def test_permissions_are_asked_for_at_every_message(connected: Any) -> None:
    user = user_with("view_user")
    client = connected(user=user, permissions_required=["auth.view_user"])

    before = client.send({"handler": "say"})
    user.user_permissions.clear()
    after = client.send({"handler": "say"})
    control = client.control("subscribe", channel="x")

    assert before.ok
    assert (after.status_code, after.error) == (403, "permission_denied")
    assert control.error == "permission_denied"


def test_permissions_at_connect_can_be_switched_off(connected: Any) -> None:
    client = connected(permissions_required=["auth.view_user"], CHECK_PERMISSIONS_ON_CONNECT=False)

    assert client.send({"handler": "say"}).error == "permission_denied"


def test_handler_can_ask_for_permissions_of_its_own(connected: Any) -> None:
    assert connected(user=user_with("view_user")).send({"handler": "guarded"}).ok
    assert connected().send({"handler": "guarded"}).error == "permission_denied"
    assert connected(user=UserFactory.create(superuser=True)).send({"handler": "guarded"}).ok


def test_handler_can_ask_for_all_permissions(connected: Any) -> None:
    class View(WebSocketView):
        @requires(all_of=["auth.view_user", "auth.add_user"])
        async def guarded(self, request: HttpRequest) -> dict[str, Any]:
            return {"guarded": True}

    assert connected(View, user=user_with("view_user", "add_user")).send({"handler": "guarded"}).ok
    assert not connected(View, user=user_with("view_user")).send({"handler": "guarded"}).ok


def hides_everything(method: Any) -> Any:
    """A decorator without `functools.wraps`, as many are."""

    def inner(self: Any, request: HttpRequest) -> Any:
        return method(self, request)

    return inner


class HiddenRequirementsView(WebSocketView):
    @hides_everything
    @requires(all_of=["auth.view_user"])
    def hidden(self, request: HttpRequest) -> dict[str, Any]:
        return {"guarded": True}

    @hides_everything
    @requires(all_of=["auth.view_user"])
    async def hidden_async(self, request: HttpRequest) -> dict[str, Any]:
        return {"guarded": True}

    @requires(any_of=["auth.add_user", "auth.view_user"])
    @requires(all_of=["auth.view_user"])
    def stacked(self, request: HttpRequest) -> dict[str, Any]:
        return {"guarded": True}

    @method_decorator(requires(all_of=["auth.view_user"]))
    def by_method_decorator(self, request: HttpRequest) -> dict[str, Any]:
        return {"guarded": True}

    def from_above(self, request: HttpRequest) -> dict[str, Any]:
        return {"guarded": True}

    @requires(all_of=["auth.view_user"])
    def default(self, request: HttpRequest) -> dict[str, Any]:
        return {"guarded": True}


# As `@method_decorator(…, name="from_above")` above the class does.
method_decorator(requires(all_of=["auth.view_user"]), name="from_above")(HiddenRequirementsView)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("hidden", id="below a decorator that does not wrap"),
        pytest.param("hidden_async", id="of a coroutine below such a decorator"),
        pytest.param("stacked", id="below another one"),
        pytest.param("by_method_decorator", id="by method_decorator"),
        pytest.param("from_above", id="by method_decorator above the class"),
        pytest.param("default", id="of default"),
        pytest.param("no such handler", id="of default, for an unknown name"),
    ],
)
def test_requirement_holds_however_it_was_put_there(connected: Any, name: str) -> None:
    allowed = connected(HiddenRequirementsView, user=user_with("view_user")).send({"handler": name})
    denied = connected(HiddenRequirementsView, user=user_with("add_user")).send({"handler": name})

    assert allowed.json() == {"guarded": True}
    assert denied.error == "permission_denied"


# Headers


@pytest.mark.parametrize("name", ["Host", "X-Amzn-Apigateway-Api-Id", "connectionId"])
def test_missing_required_header_is_400(ws_client: Any, name: str) -> None:
    assert ws_client(StackView).connect(user=UserFactory.create(), headers={name: ""}).status_code == 400


def test_further_headers_can_be_insisted_on(ws_client: Any) -> None:
    options = {"additional_required_headers": ["X-Extra"]}

    assert ws_client(StackView, **options).connect(user=UserFactory.create()).status_code == 400
    assert ws_client(StackView, **options).connect(user=UserFactory.create(), headers={"X-Extra": "1"}).ok


def test_handshake_header_is_asked_for_at_connect_only(ws_client: Any) -> None:
    missing = ws_client(StackView).connect(user=UserFactory.create(), headers={"Sec-WebSocket-Key": ""})
    client = ws_client(StackView)
    client.connect(user=UserFactory.create())

    assert missing.status_code == 400
    assert client.send({"handler": "say"}).ok


def test_native_client_behind_a_plain_load_balancer_is_not_shut_out(ws_client: Any) -> None:
    names = ["User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "Sec-WebSocket-Extensions", "Origin"]
    headers = dict.fromkeys(names, "")

    assert ws_client(StackView).connect(user=UserFactory.create(), headers=headers, origin=None).ok


# Hooks and answers


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        pytest.param("ж" * 60_000, True, id="below 128 KB in UTF-8, though far above it in escapes"),
        pytest.param("ж" * 65_537, False, id="above 128 KB"),
        pytest.param("half a character: \ud83d", True, id="half a character"),
    ],
)
def test_answer_is_as_long_as_its_utf8(connected: Any, text: str, arrives: bool) -> None:
    class View(WebSocketView):
        def tell(self, request: HttpRequest) -> dict[str, Any]:
            return {"text": text}

    reply = connected(View).send({"handler": "tell"})

    assert reply.json() == {"text": text} if arrives else reply.error == "internal_error"


def test_hooks_can_be_replaced(ws_client: Any) -> None:
    def hook(status: int) -> Any:
        return lambda self, request: HttpResponse("own", status=status)

    names = {
        "missing_headers": 418,
        "session_not_found": 419,
        "handler_selection_key_missing": 420,
        "permission_denied": 421,
    }
    view: Any = type("View", (StackView,), {name: hook(status) for name, status in names.items()})
    client = ws_client(view)

    assert client.connect(user=UserFactory.create(), headers={"Host": ""}).status_code == 418
    assert client.send({"handler": "say"}).status_code == 419
    client.connect(user=UserFactory.create())
    assert client.send({"text": "x"}).status_code == 420
    assert client.send({"handler": "guarded"}, reply_id="1").status_code == 421


@pytest.mark.parametrize("answered", [None, {"sorry": "no"}], ids=["nothing", "a dict"])
def test_refusing_hooks_refuse_the_handshake_whatever_they_return(ws_client: Any, answered: Any) -> None:
    class View(StackView):
        required_connection_headers = ("Sec-WebSocket-Key", "X-Extra")
        permissions_required = ("auth.view_user",)

        def missing_headers(self, request: HttpRequest) -> Any:
            return answered

        async def permission_denied(self, request: HttpRequest) -> Any:
            return answered

    client, extra = ws_client(View), {"X-Extra": "1"}
    user = user_with("view_user")

    replies = [
        client.connect(user=user, headers={"Host": "", **extra}),
        client.connect(user=user),
        client.connect(user=user_with("add_user"), headers=extra),
    ]
    client.connect(user=user, headers=extra)
    user.user_permissions.clear()

    assert [reply.status_code for reply in replies] == [400, 400, 403]
    assert client.send({"handler": "say"}).json() == answered


def test_useragent_hook_can_be_replaced(ws_client: Any, settings: Any) -> None:
    class View(StackView):
        def invalid_useragent(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse(status=418)

    settings.WEBSOCKET_GATEWAY = {"ORIGIN_SECRET_REQUIRED": False}

    assert ws_client(View).send({}, headers={"User-Agent": "curl"}).status_code == 418


def test_connection_hooks_see_the_session(ws_client: Any) -> None:
    seen: list[str] = []

    class View(StackView):
        def connect(self, request: HttpRequest) -> None:
            seen.append(f"in {self.websocket_session.connection_id} {self.event.connection_id}")

        def disconnect(self, request: HttpRequest) -> None:
            seen.append(f"out {self.websocket_session.connection_id} {request.user}")

    user = UserFactory.create()
    client = ws_client(View)
    client.connect(user=user)
    client.disconnect()

    assert seen == [f"in {client.connection_id} {client.connection_id}", f"out {client.connection_id} {user}"]


def test_connect_hook_can_refuse_and_the_row_ends(ws_client: Any) -> None:
    class View(StackView):
        def connect(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse(status=403)

    client = ws_client(View)

    assert client.connect(user=UserFactory.create()).status_code == 403
    assert not client.session.connected


def test_connect_hook_that_raises_leaves_an_ended_row(ws_client: Any) -> None:
    class View(StackView):
        def connect(self, request: HttpRequest) -> None:
            raise LookupError("no")

    client = ws_client(View)

    assert client.connect(user=UserFactory.create()).status_code == 500
    assert not client.session.connected


def test_additional_connection_checks_refuse_with_a_reason_for_the_log(
    ws_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class View(StackView):
        def additional_connection_checks(self, request: HttpRequest) -> tuple[bool, str]:
            return False, "the shop is closed"

    reply = ws_client(View).connect(user=UserFactory.create())

    assert (reply.status_code, reply.error) == (403, "connection_refused")
    assert b"closed" not in reply.content
    assert "the shop is closed" in caplog.text


def test_hooks_may_be_async(ws_client: Any) -> None:
    class View(StackView):
        async def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
            return channel_name == "open"

        async def additional_connection_checks(self, request: HttpRequest) -> tuple[bool, str]:
            return True, ""

        async def has_any_permission(self, request: HttpRequest) -> bool:
            return True

    assert ws_client(View).connect(user=UserFactory.create(), channel="open").ok
    assert not ws_client(View).connect(user=UserFactory.create(), channel="closed").ok


def test_response_of_a_handler_is_passed_through(connected: Any) -> None:
    reply = connected().send({"handler": "raw"}, reply_id="1")

    assert (reply.status_code, reply.content) == (200, b"raw")


def test_handler_without_an_answer_sends_no_frame(connected: Any) -> None:
    reply = connected().send({"handler": "nothing"})

    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize("result", ["text", 7, [1], {"_ws": {}}, {"x": object()}, {"x": float("nan")}])
def test_answer_that_cannot_be_sent_is_500(connected: Any, result: Any) -> None:
    class View(WebSocketView):
        def answer(self, request: HttpRequest) -> Any:
            return result

    assert connected(View).send({"handler": "answer"}).status_code == 500


def test_answer_beyond_128_kb_is_500(connected: Any) -> None:
    class View(WebSocketView):
        def answer(self, request: HttpRequest) -> Any:
            return {"x": "y" * 131_072}

    assert connected(View).send({"handler": "answer"}).status_code == 500


def test_answers_are_written_by_djangos_encoder(connected: Any) -> None:
    import datetime
    import decimal

    class View(WebSocketView):
        def answer(self, request: HttpRequest) -> Any:
            return {"at": datetime.date(2026, 1, 2), "price": decimal.Decimal("1.50")}

    assert connected(View).send({"handler": "answer"}).json() == {"at": "2026-01-02", "price": "1.50"}


@pytest.mark.parametrize(
    ("exception", "status", "code"),
    [
        (PermissionDenied("x"), 403, "permission_denied"),
        (Http404("x"), 404, "not_found"),
        (SuspiciousOperation("x"), 400, "bad_request"),
        (BadRequest("x"), 400, "bad_request"),
        (LookupError("x"), 500, "internal_error"),
    ],
)
def test_exception_of_a_handler_is_answered_as_django_would(
    connected: Any, exception: Exception, status: int, code: str
) -> None:
    class View(WebSocketView):
        def fail(self, request: HttpRequest) -> None:
            raise exception

    client = connected(View)

    plain, asked = client.send({"handler": "fail"}), client.send({"handler": "fail"}, reply_id="1")

    assert (plain.status_code, plain.error) == (status, code)
    assert (asked.status_code, asked.error) == (500 if status == 500 else 200, code)
    assert asked.json()["_ws"]["reply_to"] == "1"


@pytest.mark.urls("tests.views.urls")
def test_handler_that_raises_reaches_error_trackers_and_the_log(caplog: pytest.LogCaptureFixture) -> None:
    from django.core.signals import got_request_exception

    seen: list[Any] = []

    def note(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
        seen.append(request.path)

    stack = Stack(ApiGatewayFactory.create())
    stack.connect(token=issue_token(UserFactory.create()))
    got_request_exception.connect(note)
    try:
        response = stack.send({"handler": "explode"})
    finally:
        got_request_exception.disconnect(note)

    assert response.status_code == 500
    assert seen == ["/ws/default"]
    (record,) = [record for record in caplog.records if record.name == "django.request"]
    assert record.exc_info is not None
    assert record.levelno == logging.ERROR


# Debug


def test_reason_of_a_refusal_is_logged_and_not_returned(
    ws_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    reply = ws_client(StackView).connect(token="wrong")

    assert b"not valid" in reply.content
    assert "The token is not valid" in caplog.text
    assert ws_client(StackView).connect(headers={"wsOriginSecret": ""}).content == b""


def test_debug_returns_the_reason(ws_client: Any) -> None:
    reply = ws_client(StackView, debug=True).connect(headers={"wsOriginSecret": ""})

    assert reply.status_code == 403
    assert b"create_gateway" in reply.content
