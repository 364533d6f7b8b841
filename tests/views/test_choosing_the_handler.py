"""Which handler a frame goes to."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest

from tests.views.urls import StackView
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


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
