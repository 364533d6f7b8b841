"""Names of `WebSocketView` in a subclass: a handler of any name either works, or is an error at once."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from inspect import get_annotations
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.functional import cached_property, classproperty
from django.views.generic import FormView, View

from tests.factories import UserFactory
from tests.views.builders import user_with
from tests.views.ways import WAYS, in_the_class
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import WebSocketSession
from websocket_gateway.views import WebSocketView
from websocket_gateway.views.hooks import WebSocketHooks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]

VERBS = View.http_method_names
FORMER = ["call", "receive", "receive_event"]
DEFINED = {**vars(WebSocketHooks), **vars(WebSocketView)}
OWN = {name for name in (*DEFINED, *vars(View)) if not name.startswith("__")}
OF_AN_INSTANCE = {*get_annotations(WebSocketHooks), "request", "args", "kwargs"}
NAMES = sorted({*OWN, *OF_AN_INSTANCE, *VERBS, *FORMER})
HOOKS = {
    name for name, value in DEFINED.items() if callable(value) and name[0] != "_" and name not in vars(View)
}


def handler(called: list[str], name: str) -> Any:
    def method(self: Any, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        called.append(name)
        return {"ok": True}

    return method


def made(way: Callable[..., Any], name: str, method: Any) -> tuple[Any, str]:
    try:
        return way(name, method), ""
    except ConfigurationError as exc:
        return None, str(exc)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_handler_of_any_name_works_or_is_an_error_and_replaces_no_check(
    ws_client: Any, name: str, way: Callable[..., Any]
) -> None:
    called: list[str] = []
    view, error = made(way, name, handler(called, name))
    if view is None:
        assert name in error
        assert "rename" in error or "another name" in error
        return
    options = {"permissions_required": ["auth.view_user"]} if name != "permissions_required" else {}
    client = ws_client(view, **options)
    for headers in (
        {"wsOriginSecret": ""},
        {"wsOriginSecret": "wrong"},
        {"X-Amzn-Apigateway-Api-Id": "other"},
    ):
        assert client.connect(user=UserFactory.create(), headers=headers).status_code in (400, 403)
        assert client.send({"handler": name}, headers=headers).status_code in (400, 403)
        assert client.disconnect(headers=headers).status_code in (400, 403)
    for verb in VERBS:
        request = RequestFactory().generic(verb.upper(), "/ws/default")
        if verb != "post":
            assert view.as_view()(request, route="default").status_code == 405
    assert called == []

    assert not client.connect(token="wrong").ok
    assert not client.connect(user=UserFactory.create()).ok
    assert not WebSocketSession.objects.filter(connected=True).exists()
    assert called == [] or name in HOOKS


@pytest.mark.parametrize("name", sorted({*VERBS, *FORMER} - {"options"}))
def test_handler_with_a_name_of_http_is_called_by_its_frame(ws_client: Any, name: str) -> None:
    called: list[str] = []
    client = ws_client(in_the_class(name, handler(called, name)), permissions_required=["auth.view_user"])

    assert client.connect(user=user_with("view_user")).ok
    assert client.send({"handler": name}).json() == {"ok": True}
    assert called == [name]


def test_async_handler_named_post_leaves_the_view_as_it_is(ws_client: Any) -> None:
    class Chat(WebSocketView):
        async def post(self, request: HttpRequest) -> dict[str, Any]:
            return {"posted": self.body["text"]}

    client = ws_client(Chat)

    assert client.connect(user=UserFactory.create()).ok
    assert client.send({"handler": "post", "text": "x"}).json() == {"posted": "x"}


def test_methods_of_a_form_view_are_never_called(ws_client: Any) -> None:
    class Chat(FormView, WebSocketView):  # type: ignore[type-arg]
        def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError

    client = ws_client(Chat)

    assert client.connect(headers={"wsOriginSecret": ""}).status_code == 403
    assert client.connect(user=UserFactory.create()).ok
    assert client.send({"handler": "post"}).error == "unknown_handler"


def test_dispatch_of_django_finds_no_handler(rf: RequestFactory) -> None:
    view = in_the_class("post", handler([], "post"))()
    view.setup(rf.post("/ws/default"), route="default")

    response = View.dispatch(view, view.request)

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


KINDS = [
    "a method",
    "a static method",
    "a class method",
    "a property",
    "a cached property",
    "a partial method",
    "a class",
]


def definition(kind: str) -> Any:
    """What returns a dict, by a new object each time: some of them take the name they are given first."""
    return {
        "a method": lambda self, request: {"ok": True},
        "a static method": staticmethod(lambda request: {"ok": True}),
        "a class method": classmethod(lambda cls, request: {"ok": True}),
        "a property": property(lambda self: {"ok": True}),
        "a cached property": cached_property(lambda self: {"ok": True}),
        "a partial method": functools.partialmethod(lambda self, request: {"ok": True}),
        "a class": type("Nested", (), {}),
        "a value": True,
        "nothing": None,
    }[kind]


PRIVATE = sorted(name for name in OWN if name.startswith("_"))


@pytest.mark.parametrize("kind", [*KINDS, "a value"])
@pytest.mark.parametrize("name", PRIVATE)
def test_private_name_of_the_machinery_is_an_error(name: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Chat\.{name} takes a private name .+`_own{name}`"):
        in_the_class(name, definition(kind))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PRIVATE)
def test_private_name_is_an_error_wherever_it_stands(name: str, way: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"(Chat|Mixin|Layer)\.{name} takes a private name"):
        way(name, definition("a method"))


def test_machinery_has_private_names() -> None:
    assert {"_receive_event", "_call", "_allowed_methods"} <= set(PRIVATE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["debug", "MAX_BODY_SIZE", "permissions_required", "event", "body", "kwargs"]
)
def test_what_is_a_value_cannot_be_a_method(name: str, kind: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"Chat\.{name} is .+ rename the method, to `{name}_message`"
    ):
        in_the_class(name, definition(kind))


def test_value_may_be_computed_for_the_class(connected: Any) -> None:
    class Chat(WebSocketView):
        @classproperty
        def permissions_required(cls) -> list[str]:  # type: ignore[override]  # noqa: N805
            return ["auth.view_user"]

        body: dict[str, Any] = {}

    assert connected(Chat, user=user_with("view_user")).send({"handler": "x"}).error == "unknown_handler"


@pytest.mark.parametrize("kind", ["a property", "a cached property", "a class", "a value", "nothing"])
@pytest.mark.parametrize("name", sorted(HOOKS))
def test_hook_that_cannot_be_called_is_an_error(name: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Chat\.{name} is a hook: define it as a method"):
        in_the_class(name, definition(kind))


@pytest.mark.parametrize("kind", ["a static method", "a class method", "a partial method"])
def test_hook_may_be_any_kind_of_method(ws_client: Any, kind: str) -> None:
    client = ws_client(in_the_class("default", definition(kind)))
    client.connect(user=UserFactory.create())

    assert client.send({"handler": "?"}).json() == {"ok": True}


@pytest.mark.parametrize("name", ["http_method_names", "view_is_async", "handler_table"])
@pytest.mark.parametrize("way", WAYS)
def test_what_the_view_sets_by_itself_is_an_error(name: str, way: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} would replace what WebSocketView sets: "):
        way(name, ["get", "post"])


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("dispatch", lambda request, **kwargs: HttpResponse("unchecked"), "is not a setting: override it"),
        ("setup", print, "is not a setting: override it"),
        ("_receive_event", print, "takes a private name"),
        ("_allowed_methods", print, "takes a private name"),
        ("http_method_names", ["get"], "would replace what WebSocketView sets: leave it out"),
        ("handler_table", {"evil": None}, "would replace what WebSocketView sets: set ALLOWED_HANDLERS"),
        ("connect", None, "is a hook: define it as a method"),
        ("debug", print, "is a setting of WebSocketView: give it a plain value"),
        ("say", print, "is a handler: define it in the class"),
    ],
)
def test_as_view_replaces_no_machinery(name: str, value: Any, problem: str) -> None:
    view = in_the_class("say", handler([], "say"))

    with pytest.raises(ConfigurationError, match=rf"Chat\.as_view\({name}=\.\.\.\): {name} {problem}"):
        view.as_view(**{name: value})


def test_class_that_forgets_init_subclass_is_looked_at_by_as_view() -> None:
    class Layer(WebSocketView):
        def __init_subclass__(cls, **kwargs: Any) -> None:
            """Does not call `super()`."""

    chat: Any = type("Chat", (Layer,), {"dispatch": lambda self, request: HttpResponse("unchecked")})

    with pytest.raises(ConfigurationError, match="dispatch would replace"):
        chat.as_view()


def test_all_mistakes_are_told_at_once() -> None:
    mixin = type("Mixin", (), {"_call": None, "_load_session": None})

    with pytest.raises(ConfigurationError) as caught:
        type("Chat", (mixin, WebSocketView), {"debug": lambda self, request: None, "connect": None})

    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [
        "Mixin._load_session",
        "Chat.connect",
        "Chat.debug",
        "Mixin._call",
    ]
    assert lines[-1] == "See management_docs/moving_over.md and management_docs/view.md."


@pytest.mark.parametrize("answered", [{"ok": True}, HttpResponse("ok")], ids=["a dict", "a response"])
@pytest.mark.parametrize(
    "name", ["has_any_permission", "has_all_permission", "can_join_channel", "additional_connection_checks"]
)
def test_answer_of_a_handler_decides_nothing(
    ws_client: Any, caplog: pytest.LogCaptureFixture, name: str, answered: Any
) -> None:
    view = in_the_class(name, lambda self, request, *args, **kwargs: answered)

    reply = ws_client(view).connect(user=UserFactory.create(), channel="lobby")

    assert reply.status_code == 500
    assert f"{name} must return" in caplog.text
    assert not WebSocketSession.objects.exists()


async def later() -> bool:
    return False


def steps() -> Any:
    yield False


@pytest.mark.parametrize(
    ("answered", "kind"),
    [
        (lambda: (False, "not yours"), "tuple"),
        (lambda: [False], "list"),
        (lambda: "no", "str"),
        (steps, "generator"),
        (later, "coroutine"),
    ],
)
@pytest.mark.parametrize(
    "name", ["has_any_permission", "has_all_permission", "can_join_channel", "additional_connection_checks"]
)
def test_only_true_and_false_decide(
    ws_client: Any,
    caplog: pytest.LogCaptureFixture,
    *,
    name: str,
    answered: Callable[[], Any],
    kind: str,
) -> None:
    def decide(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        decision = answered()
        return (decision, "reason") if name == "additional_connection_checks" else decision

    async def decide_later(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return decide(self, request)

    view = in_the_class(name, decide_later if kind == "coroutine" else decide)

    reply = ws_client(view).connect(user=UserFactory.create(), channel="lobby")

    assert reply.status_code == 500
    assert re.search(rf"{name} must return .+, not {kind}\.", caplog.text)
    assert not WebSocketSession.objects.exists()


@pytest.mark.parametrize(("answered", "status"), [(True, 200), (1, 200), (False, 403), (0, 403), (None, 403)])
@pytest.mark.parametrize("name", ["has_any_permission", "has_all_permission", "can_join_channel"])
def test_numbers_and_none_decide_as_their_truth(
    ws_client: Any, name: str, answered: Any, status: int
) -> None:
    view = in_the_class(name, lambda self, request, *args: answered)

    assert ws_client(view).connect(user=UserFactory.create(), channel="lobby").status_code == status
