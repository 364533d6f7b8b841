"""Permissions that a view or a handler asks for."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest
from django.utils.decorators import method_decorator

from tests.factories import UserFactory
from tests.views.builders import user_with
from tests.views.urls import StackView
from websocket_gateway.receiving.handlers import requires
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


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
