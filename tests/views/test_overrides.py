"""Methods of Django's `View`: an override calls `super()`, or is an error when the class is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import View

from tests.views.ways import WAYS
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.views import WebSocketView

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
