"""Methods of Django's `View`: an override calls `super()`, or is an error when the class is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import View

from tests.views.ways import WAYS
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.views import WebSocketView
from websocket_gateway.views import WebSocketView as Sockets

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


class Timed:
    """A mixin as projects have them."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        response["X-Timed"] = "1"
        return response


def hides_everything(method: Any) -> Any:
    def inner(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return inner


@method_decorator(never_cache, name="dispatch")
class Overriding(Timed, WebSocketView):
    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return super().as_view(**{"MAX_SUBSCRIPTIONS": 7, **initkwargs})

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.began = True

    @hides_everything
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().dispatch(request, *args, **kwargs)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().http_method_not_allowed(request, *args, **kwargs)
        response["X-Own"] = "1"
        return response

    def tell(self, request: HttpRequest) -> dict[str, Any]:
        return {"began": self.began, "subscriptions": self.MAX_SUBSCRIPTIONS}


class Below(Overriding):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return Overriding.dispatch(self, request, *args, **kwargs)


@pytest.mark.parametrize("view", [Overriding, Below])
def test_methods_of_django_are_overridden_with_super(connected: Any, rf: RequestFactory, view: Any) -> None:
    reply = connected(view).send({"handler": "tell"})
    refused = view.as_view()(rf.get("/ws/default"), route="default")

    assert reply.json() == {"began": True, "subscriptions": 7}
    assert (reply.response["X-Timed"], "no-store" in reply.response["Cache-Control"]) == ("1", True)
    assert (refused.status_code, refused["X-Own"], refused["Allow"]) == (405, "1", "POST")


def test_mixins_of_django_may_stand_before_the_view() -> None:
    class Chat(LoginRequiredMixin, WebSocketView):
        """`LoginRequiredMixin` calls `super().dispatch()`."""

    assert Chat.as_view().view_class is Chat


class RestView(View):
    """Dispatches to `post` by itself, as Django REST framework does."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, str(request.method).lower())(request, *args, **kwargs)


@pytest.mark.parametrize("name", ["dispatch", "setup", "as_view", "options", "http_method_not_allowed"])
@pytest.mark.parametrize("way", WAYS)
def test_override_without_super_is_an_error(name: str, way: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} (would replace|must be a classmethod)"):
        way(name, lambda self, request, **kwargs: HttpResponse("unchecked"))


def test_view_whose_dispatch_asks_nothing_is_an_error_as_a_mixin() -> None:
    with pytest.raises(ConfigurationError, match=r"RestView\.dispatch would replace a method"):
        type("Chat", (RestView, WebSocketView), {"post": lambda self, request: None})


def test_mixin_behind_the_view_replaces_nothing(ws_client: Any) -> None:
    view: Any = type("Chat", (WebSocketView, RestView), {"post": lambda self, request: {"ok": True}})

    assert ws_client(view).connect(headers={"wsOriginSecret": ""}).status_code == 403


def test_async_dispatch_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"Chat\.dispatch must be `def`, not `async def`"):

        class Chat(WebSocketView):
            async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
                return super().dispatch(request, *args, **kwargs)


def test_method_above_may_be_called_by_any_name_of_its_class() -> None:
    class First(WebSocketView):
        def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return Sockets.dispatch(self, request, *args, **kwargs)

    above = First

    class Second(First):
        def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return above.dispatch(self, request, *args, **kwargs)

    assert Second.as_view().view_class is Second


def test_method_of_django_called_by_another_name_is_an_error() -> None:
    plain = View

    with pytest.raises(ConfigurationError, match="dispatch would replace"):

        class Chat(WebSocketView):
            def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return plain.dispatch(self, request, *args, **kwargs)


class ChecksInSetup:
    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)  # type: ignore[misc]
        if self.body.get("handler") == "wipe":  # type: ignore[attr-defined]
            raise PermissionDenied


class ChecksInDispatch:
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_staff:
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        if any(self.body.get(key) == "wipe" for key in ("handler", "action")):  # type: ignore[attr-defined]
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


class ChecksBelowADecorator:
    @hides_everything
    def dispatch(this, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        if this.body:  # type: ignore[attr-defined]
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


@pytest.mark.parametrize("mixin", [ChecksInSetup, ChecksInDispatch, ChecksBelowADecorator])
def test_override_that_checks_the_body_before_it_is_there_is_an_error(mixin: type) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"{mixin.__name__}\.\w+ reads `self\.body`, .+ `has_any_permission"
    ):
        type("Chat", (mixin, WebSocketView), {})


def signed(method: Any) -> Any:
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        request.signed = bool(request.body)  # type: ignore[attr-defined]
        return method(request, *args, **kwargs)

    return inner


@method_decorator(signed, name="dispatch")
class ReadsAfterwards(WebSocketView):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        size = len(request.body)
        response = super().dispatch(request, *args, **kwargs)
        response["X-Handler"] = f"{self.body.get('handler')} {size > 0}"
        return response

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.body = {}
        self.size = len(request.body)

    def tell(self, request: HttpRequest) -> dict[str, Any]:
        return {}


def test_body_may_be_read_once_the_method_above_has_returned(connected: Any) -> None:
    assert connected(ReadsAfterwards).send({"handler": "tell"}).response["X-Handler"] == "tell True"


def test_permission_hook_reads_the_body_of_a_message(connected: Any) -> None:
    class Chat(WebSocketView):
        def has_any_permission(self, request: HttpRequest) -> bool:
            return self.body.get("handler") != "wipe"

        def wipe(self, request: HttpRequest) -> None:
            raise AssertionError

    assert connected(Chat).send({"handler": "wipe"}).status_code == 403
