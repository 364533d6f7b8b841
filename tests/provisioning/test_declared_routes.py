"""Route keys that views in the URLconf declare: found, given the right URL, and deployed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.decorators.cache import never_cache
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory
from tests.support.commands import run
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.declared_routes import find_declared_routes
from websocket_gateway.provisioning.wanted_routes import project_routes
from websocket_gateway.testing.gateway import GatewayHandle
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db


class MovesView(WebSocketView):
    """Serves two routes of its own."""

    USE_WS_TOKEN = False
    websocket_route_keys = ("move", "leave")

    def where(self, request: HttpRequest) -> dict[str, Any]:
        return {"route": self.event.route_key}


class NewsView(WebSocketView):
    """Serves a route of one gateway among several."""

    websocket_route_keys = {"headline": "news"}


class PlainView(WebSocketView):
    """Serves none."""


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.fixture
def serve(settings: Any) -> Callable[..., None]:
    """Make the given patterns the project's URLconf."""

    def use(*patterns: Any) -> None:
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": list(patterns)})

    return use


def found() -> dict[str, str]:
    return {route.route_key: route.path for route in find_declared_routes()}


def wrapped(view: Any) -> Any:
    """`view` beneath a decorator that copies nothing but `__wrapped__`."""

    def inner(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    inner.__wrapped__ = view  # type: ignore[attr-defined]
    return inner


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param(path("chat/<slug:route>", MovesView.as_view()), "/chat/default", id="slug"),
        pytest.param(path("chat/<str:route>/", MovesView.as_view()), "/chat/default/", id="slash"),
        pytest.param(path("moves", MovesView.as_view()), "/moves", id="no part"),
        pytest.param(path("m", MovesView.as_view(), {"route": "default"}), "/m", id="argument"),
        pytest.param(
            path("a/", include([path("b/", include([path("<slug:route>", MovesView.as_view())]))])),
            "/a/b/default",
            id="included twice",
        ),
        pytest.param(
            path("a/", include(([path("<slug:route>", MovesView.as_view(), name="x")], "app"), "space")),
            "/a/default",
            id="namespace",
        ),
        pytest.param(re_path(r"^r/(?P<route>\w+)/?$", MovesView.as_view()), "/r/default", id="regex"),
        pytest.param(path("<slug:route>", never_cache(MovesView.as_view())), "/default", id="decorated"),
        pytest.param(path("<slug:route>", wrapped(MovesView.as_view())), "/default", id="wrapped"),
        pytest.param(path("ü/<slug:route>", MovesView.as_view()), "/%C3%BC/default", id="not ASCII"),
    ],
)
def test_the_url_of_a_declared_route_leads_to_its_view(
    serve: Callable[..., None], pattern: Any, expected: str
) -> None:
    serve(path("other/", plain), pattern)

    assert found() == {"move": expected, "leave": expected}


def test_arguments_of_as_view_beat_the_class(serve: Callable[..., None]) -> None:
    serve(path("<slug:route>", MovesView.as_view(websocket_route_keys=["jump"])))

    assert found() == {"jump": "/default"}


def test_views_that_declare_nothing_have_no_routes(serve: Callable[..., None]) -> None:
    serve(path("<int:tenant>/<slug:route>", PlainView.as_view()), path("plain", plain))

    assert find_declared_routes() == ()


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        pytest.param(
            [path("<int:tenant>/<slug:route>", MovesView.as_view())],
            "has parts beside <str:route>, which cannot be filled in",
            id="another part",
        ),
        pytest.param(
            [path("<path:rest>", plain), path("<slug:route>", MovesView.as_view())],
            "another pattern answers first",
            id="shadowed",
        ),
        pytest.param(
            [path("<int:route>", MovesView.as_view())], "does not take the word default", id="converter"
        ),
        pytest.param(
            [path("x", MovesView.as_view(), {"route": "connect"})], "the one of $connect events", id="connect"
        ),
        pytest.param(
            [path("x", MovesView.as_view(websocket_route_keys="move"))], "must be a tuple", id="a string"
        ),
        pytest.param(
            [path("x", MovesView.as_view(websocket_route_keys=(1,)))], "must be a tuple", id="number"
        ),
        pytest.param(
            [path("x", MovesView.as_view(websocket_route_keys=("$connect",)))], "begin with $", id="reserved"
        ),
    ],
)
def test_a_view_whose_routes_cannot_be_served_is_named(
    serve: Callable[..., None], patterns: list[Any], message: str
) -> None:
    serve(*patterns)

    with pytest.raises(ConfigurationError) as raised:
        find_declared_routes()

    assert "MovesView" in str(raised.value)
    assert message in str(raised.value)


def test_a_urlconf_that_cannot_be_read_is_one_line(settings: Any) -> None:
    settings.ROOT_URLCONF = "no.such.module"
    ApiGatewayFactory.create(api_name="chat")

    ended = run("sync_routes", "chat", "--check")

    assert (ended.status, ended.stderr) == (
        1,
        "The URLconf no.such.module cannot be read: No module named 'no'",
    )


def test_a_tuple_is_for_the_only_gateway_and_a_dict_names_one_of_several(serve: Callable[..., None]) -> None:
    news = ApiGatewayFactory.create(api_name="news", target_base_endpoint="https://n.example.com:8443/ws/")
    serve(path("<slug:route>", MovesView.as_view()), path("n/<slug:route>", NewsView.as_view()))

    # The only view that the target can lead to is at the root of the project, so /ws is a proxy's prefix.
    uris = {route.route_key: route.uri for route in project_routes(news)}
    assert uris["move"] == "https://n.example.com:8443/ws/default"
    assert uris["headline"] == "https://n.example.com:8443/ws/n/default"

    chat = ApiGatewayFactory.create(api_name="chat")
    with pytest.raises(
        ConfigurationError, match=r"Say which one it is for: websocket_route_keys = {'move': 'chat'}"
    ):
        project_routes(chat)
    serve(path("n/<slug:route>", NewsView.as_view()))
    assert "headline" not in {route.route_key for route in project_routes(chat)}


def test_a_key_that_row_and_view_declare_is_a_conflict(serve: Callable[..., None]) -> None:
    gateway = ApiGatewayFactory.create(api_name="chat")
    ApiGatewayAdditionalRouteFactory.create(api_gateway=gateway, name="Moves", route_key="move")
    serve(path("<slug:route>", MovesView.as_view()))

    ended = run("sync_routes", "chat", "--check")

    assert ended.status == 1
    assert ended.stderr == (
        "Route 'move' of gateway 'chat' is declared twice: by the additional route 'Moves' and by "
        "tests.provisioning.test_declared_routes.MovesView. Keep one of them."
    )


def test_a_key_that_two_views_declare_is_a_conflict(serve: Callable[..., None]) -> None:
    gateway = ApiGatewayFactory.create(api_name="chat")
    serve(path("a", MovesView.as_view()), path("b", PlainView.as_view(websocket_route_keys=("move",))))

    with pytest.raises(ConfigurationError, match=r"declared twice: by .*MovesView and by .*PlainView"):
        project_routes(gateway)


def test_a_gateway_that_has_no_row_is_remarked_upon(
    serve: Callable[..., None], django_local_gateway: GatewayHandle
) -> None:
    serve(path("n/<slug:route>", NewsView.as_view()))

    ended = run("create_gateway", "chat", "--target", "https://www.example.com/ws/")

    assert ended.status == 0
    assert "NewsView declares 'headline' for gateway 'news', which has no row" in ended.stderr


def test_options_of_a_gateway_that_has_no_row_are_remarked_upon(
    django_local_gateway: GatewayHandle, settings: Any
) -> None:
    options = {"chat": {"TAGS": {"team": "web"}}, "chta": {"TAGS": {"team": "web"}}}
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "GATEWAYS": options}

    created = run("create_gateway", "chat", "--target", "https://www.example.com/ws/")
    checked = run("sync_routes", "--check")

    for ended in (created, checked):
        assert ended.status == 0
        assert "configures gateway 'chta', which has no row" in ended.stderr
        assert "'chat', which" not in ended.stderr


def test_a_declared_route_is_deployed_and_taken_off_with_its_view(
    serve: Callable[..., None], django_local_gateway: GatewayHandle
) -> None:
    aws: Any = boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)
    run("create_gateway", "chat", "--target", "https://www.example.com/ws/")
    api_id = ApiGateway.objects.get().api_id
    serve(path("chat/<slug:route>", MovesView.as_view()))

    deployed = run("sync_routes")
    routes = {item["RouteKey"] for item in aws.get_routes(ApiId=api_id)["Items"]}
    serve()
    checked = run("sync_routes", "--check")
    run("sync_routes", "--prune", "--no-input")

    assert (
        "+ Created route move (missing in AWS; declared by tests.provisioning.test_declared_routes.MovesView)"
        in (deployed.stdout.splitlines())
    )
    assert "    POST https://www.example.com/chat/default" in deployed.stdout.splitlines()
    assert routes == {"$connect", "$disconnect", "$default", "move", "leave"}
    assert checked.status == 1
    assert "! Unwanted route move (was made for a row or view that is gone" in checked.stdout
    assert len(aws.get_routes(ApiId=api_id)["Items"]) == 3


@pytest.mark.django_db(transaction=True)
def test_a_message_by_a_declared_route_reaches_the_view(
    serve: Callable[..., None], live_server: Any, django_local_gateway: GatewayHandle
) -> None:
    serve(path("chat/<slug:route>", MovesView.as_view()))
    created = run("create_gateway", "chat", "--target", f"{live_server.url}/chat/")
    assert created.status == 0, created
    row = ApiGateway.objects.get()

    with connect(f"{row.api_endpoint}/production", origin=Origin("https://testserver"), proxy=None) as socket:
        socket.send(json.dumps({"action": "move", "handler": "where", "_ws": {"id": "1"}}))
        moved = json.loads(socket.recv(timeout=20))
        socket.send(json.dumps({"handler": "where", "_ws": {"id": "2"}}))
        plain = json.loads(socket.recv(timeout=20))

    assert (moved["route"], plain["route"]) == ("move", "$default")
