"""The table of handlers: what a client may call, and what it never may."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest
from django.views.generic import View as DjangoView
from django.views.generic.edit import FormMixin

from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.receiving.handlers import LISTS, requires, url_arguments
from websocket_gateway.views import WebSocketView


class PlainMixin:
    def mixed_in(self, request: HttpRequest) -> None:
        """Not a layer of the view."""

    def overridden(self, request: HttpRequest) -> None:
        """A hook of the mixin."""


class BaseLayer(WebSocketView):
    def from_base(self, request: HttpRequest) -> None:
        """A handler."""


class Layered(PlainMixin, BaseLayer):
    attribute = "text"

    class Nested:
        """A class is no handler."""

    def handler(self, request: HttpRequest) -> None:
        """A handler."""

    async def later(self, request: HttpRequest) -> None:
        """A handler, too."""

    def overridden(self, request: HttpRequest) -> None:
        """Still the mixin's hook."""

    def _private(self, request: HttpRequest) -> None:
        """Never."""

    @property
    def prop(self) -> str:
        return ""

    @staticmethod
    def static(request: HttpRequest) -> None:
        """Never."""

    @classmethod
    def of_class(cls, request: HttpRequest) -> None:
        """Never."""

    partial = functools.partialmethod(handler)
    function: Callable[..., Any] = functools.partial(print)

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
        return True

    def connect(self, request: HttpRequest) -> None:
        """A hook, never a handler."""


def test_plain_public_methods_of_the_layers_are_detected() -> None:
    assert set(Layered.handler_table) == {"handler", "later", "from_base"}


def test_view_itself_offers_nothing() -> None:
    assert not WebSocketView.handler_table


def test_default_and_an_overridden_change_channel_are_handlers() -> None:
    class View(WebSocketView):
        def default(self, request: HttpRequest) -> None:
            """Overridden."""

        def change_channel(self, request: HttpRequest) -> Any:
            return super().change_channel(request)

    assert set(View.handler_table) == {"default", "change_channel"}


OVERRIDABLE = [
    name
    for name in dir(WebSocketView)
    if not name.startswith("_")
    and name not in ("default", "change_channel", *dir(DjangoView))
    and callable(getattr(WebSocketView, name))
]


@pytest.mark.parametrize("name", OVERRIDABLE)
def test_nothing_that_the_view_defines_becomes_a_handler_by_overriding_it(name: str) -> None:
    def method(self: Any, request: HttpRequest) -> None:
        """An override."""

    view: Any = type("View", (WebSocketView,), {name: method})

    assert name not in view.handler_table


def test_mixin_from_django_offers_nothing() -> None:
    class View(FormMixin, WebSocketView):  # type: ignore[type-arg]
        def own(self, request: HttpRequest) -> None:
            """A handler."""

        def form_valid(self, form: Any) -> Any:
            """A hook of the mixin."""

    assert set(View.handler_table) == {"own"}


def test_name_that_a_subclass_blanks_out_is_gone() -> None:
    class View(Layered):
        handler = None  # type: ignore[assignment]

    assert "handler" not in View.handler_table


def test_explicit_set_replaces_detection() -> None:
    class View(Layered):
        ALLOWED_HANDLERS = {"handler", "mixed_in", "missing"}
        ADDITIONAL_ALLOWED_HANDLERS = ["from_base"]

    assert set(View.handler_table) == {"handler", "mixed_in"}


def test_additional_names_are_a_union_over_the_ancestors() -> None:
    class Upper(Layered):
        ADDITIONAL_ALLOWED_HANDLERS = ["mixed_in"]

    class Lower(Upper):
        ADDITIONAL_ALLOWED_HANDLERS = ["change_channel"]

    assert set(Lower.handler_table) == {"handler", "later", "from_base", "mixed_in", "change_channel"}


@pytest.mark.parametrize("name", ["_private", "__init__", "dispatch", "connect", "as_view", "setup", "debug"])
def test_listing_a_name_that_can_never_be_a_handler_is_an_error(name: str) -> None:
    with pytest.raises(ConfigurationError, match="can never be a handler"):
        type("View", (Layered,), {"ALLOWED_HANDLERS": {name}})


@pytest.mark.parametrize("value", ["handler", [1]])
def test_list_of_handlers_must_be_a_list_of_names(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a set of method names"):
        type("View", (Layered,), {"ALLOWED_HANDLERS": value})


def test_handlers_can_be_given_to_as_view() -> None:
    view = Layered.as_view(ALLOWED_HANDLERS=["later"])

    assert set(view.view_initkwargs["handler_table"]) == {"later"}


def test_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Layered.handler_table["evil"] = None  # type: ignore[index]


@pytest.mark.parametrize("name", LISTS)
def test_text_where_a_list_belongs_is_an_error(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"View\.{name} must be a list, not 'text': write \['text'\]"
    ):
        type("View", (WebSocketView,), {name: "text"})
    with pytest.raises(ConfigurationError, match=f"{name} must be a list"):
        WebSocketView.as_view(**{name: "text"})


def test_requires_takes_lists_only() -> None:
    with pytest.raises(ConfigurationError):
        requires(any_of="auth.view_user")


def test_requirement_survives_a_decorator_that_wraps() -> None:
    def logged(method: Any) -> Any:
        @functools.wraps(method)
        def inner(self: Any, request: HttpRequest) -> Any:
            return method(self, request)

        return inner

    class View(WebSocketView):
        @logged
        @requires(all_of=["auth.view_user"])
        def guarded(self, request: HttpRequest) -> None:
            """Guarded."""

    requirement = vars(View.guarded)["_websocket_gateway_requirement"]

    assert set(View.handler_table) == {"guarded"}
    assert requirement.all_of == ("auth.view_user",)


class Called:
    def plain(self, request: HttpRequest) -> None: ...

    def named(self, request: HttpRequest, room: str, *, route: str = "") -> None: ...

    def everything(self, request: HttpRequest, channel_name: str, *args: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("method", "given", "expected"),
    [
        pytest.param(Called().plain, 1, set(), id="none"),
        pytest.param(Called().named, 1, {"room", "route"}, id="those it names"),
        pytest.param(Called().everything, 2, {"room", "route"}, id="all that it has not got already"),
        pytest.param(Called().everything, 1, {"room", "route", "channel_name"}, id="all"),
        pytest.param(lambda request, room="": None, 1, {"room"}, id="a function"),
    ],
)
def test_method_gets_the_arguments_of_the_url_that_it_takes(
    method: Any, given: int, expected: set[str]
) -> None:
    kwargs = {"room": "blue", "route": "default", "channel_name": "lobby"}

    assert set(url_arguments(method, kwargs, given=given)) == expected


def only(*names: str) -> Callable[[Any], Any]:
    def decorate(view: Any) -> Any:
        view.ALLOWED_HANDLERS = set(names)
        return view

    return decorate


class Registered:
    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Does not call `super()`."""


def set_by_a_decorator() -> Any:
    return only("later")(type("View", (Layered,), {}))


def set_on_the_class_above() -> Any:
    above: Any = type("Above", (Layered,), {})
    view = type("View", (above,), {})
    above.ALLOWED_HANDLERS = ["later"]
    return view


def set_below_a_mixin_that_forgets_super() -> Any:
    return type("View", (Registered, Layered), {"ALLOWED_HANDLERS": ["later"]})


@pytest.mark.parametrize(
    "make", [set_by_a_decorator, set_on_the_class_above, set_below_a_mixin_that_forgets_super]
)
def test_handlers_that_are_listed_late_are_the_only_ones(make: Callable[[], Any]) -> None:
    view = make()
    view.as_view()

    assert set(view.handler_table) == {"later"}


def test_handlers_that_are_added_late_are_handlers() -> None:
    view: Any = type("View", (Layered,), {})
    view.ADDITIONAL_ALLOWED_HANDLERS = ["mixed_in"]
    view.as_view()

    assert set(view.handler_table) == {"handler", "later", "from_base", "mixed_in"}


@pytest.mark.parametrize("attribute", ["ALLOWED_HANDLERS", "ADDITIONAL_ALLOWED_HANDLERS"])
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("handlr", "Did you mean 'handler'?"),
        ("dispach", "Define it, or take it out of the list."),
        ("static", "A handler is a plain method"),
        ("partial", "A handler is a plain method"),
    ],
)
def test_listed_name_that_is_not_a_method_is_an_error_of_as_view(
    attribute: str, name: str, problem: str
) -> None:
    view: Any = type("View", (Layered,), {attribute: ["handler", name]})

    for make in (view.as_view, functools.partial(Layered.as_view, **{attribute: ["handler", name]})):
        with pytest.raises(ConfigurationError, match=f"'{name}' is listed as a handler, .+ {problem}"):
            make()


def test_list_may_name_what_a_subclass_defines_or_takes_away() -> None:
    class Above(WebSocketView):
        ALLOWED_HANDLERS = {"say", "shout"}

    class Below(Above):
        def say(self, request: HttpRequest) -> None:
            """A handler."""

        shout = None

    Below.as_view()

    assert set(Below.handler_table) == {"say"}


def test_iterator_is_not_a_list_of_handlers() -> None:
    with pytest.raises(ConfigurationError, match="must be a set of method names"):
        type("View", (Layered,), {"ALLOWED_HANDLERS": iter(["later"])})
