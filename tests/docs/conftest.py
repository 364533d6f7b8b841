"""The world that the Python blocks of the pages take for granted: all names that no block defines itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest
from django.template import Context, Template
from django.urls import path

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import record_connections
from websocket_gateway.testing.gateway import GatewayHandle
from websocket_gateway.views import WebSocketView

FRAMEWORK = "django.tasks" if find_spec("django.tasks") else "django_tasks"
NOTICES = Template("{% for notice in notices %}<li>{{ notice }}</li>{% endfor %}")
BASE: Any = import_module(f"{FRAMEWORK}.backends.base").BaseTaskBackend


class Kept(BASE):  # type: ignore[misc]  # the framework's name depends on Django's version
    """A queue whose workers are somewhere else: it keeps what it is given."""

    tasks: list[Any] = []

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> None:
        """Keep it."""
        self.tasks.append((task, args))


@dataclass
class Response:
    """In the place of the one of Django REST framework."""

    data: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def api_view(methods: list[str]) -> Callable[[Any], Any]:
    """In the place of the one of Django REST framework."""
    return lambda view: view


@pytest.fixture
def world(db: None, django_local_gateway: GatewayHandle, settings: Any) -> Iterator[dict[str, Any]]:
    """A gateway, a socket in the lobby and its user's request, an order, queues, the sample's templates."""
    settings.TASKS = {
        "default": {"BACKEND": f"{FRAMEWORK}.backends.immediate.ImmediateBackend"},
        "queue": {"BACKEND": "tests.docs.conftest.Kept"},
    }
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "TASK_BACKEND": "queue"}
    user = UserFactory.create(username="ada", staff=True)
    session = WebSocketSessionFactory.create(
        api_gateway=ApiGatewayFactory.create(), user=user, channel_name="lobby", connection_id="abc="
    )
    request = HttpRequest()
    request.user = user
    with record_connections() as connections:
        yield {
            "Response": Response,
            "WebSocketSession": WebSocketSession,
            "WebSocketView": WebSocketView,
            "api_view": api_view,
            "broadcast": broadcast,
            "connections": connections,
            "order": SimpleNamespace(pk=7, save=lambda: None),
            "path": path,
            "latest_notices": lambda: ["<b>"],
            "render_to_string": lambda name, context: NOTICES.render(Context(context)),
            "request": request,
            "session": session,
            "transaction": transaction,
        }
