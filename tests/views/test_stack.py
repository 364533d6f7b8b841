"""The view under Django's WSGI and ASGI handlers, with and without a transaction around requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections
from django.test import AsyncClient

from tests.factories import ApiGatewayFactory, UserFactory
from tests.views.stack import Stack
from websocket_gateway.models import ApiGateway, WebSocketSession, WebSocketToken
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import FakeConnections, events

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.views.urls")]


@pytest.fixture
def gateway() -> ApiGateway:
    return ApiGatewayFactory.create()


def test_whole_life_under_wsgi(gateway: ApiGateway) -> None:
    stack = Stack(gateway)

    assert stack.connect(token=issue_token(UserFactory.create(username="ada"))).status_code == 200
    assert stack.send({"handler": "say", "text": "x"}).json() == {"said": "x", "by": "ada"}
    assert stack.send({"handler": "think", "text": "x"}).json() == {"thought": "x", "by": "ada"}
    assert stack.disconnect().status_code == 200
    assert stack.send({"handler": "say"}).status_code == 410


class AsyncStack:
    """The same through the ASGI handler."""

    def __init__(self, gateway: ApiGateway) -> None:
        self.gateway, self.connection_id = gateway, events.new_connection_id()

    async def connect(self, token: str) -> Any:
        headers = events.connect_headers(self.gateway, self.connection_id)
        return await self._post(f"connect?ws_token={token}", b"", headers)

    async def send(self, frame: Any) -> Any:
        headers = events.event_headers(self.gateway, self.connection_id, "MESSAGE", "$default")
        return await self._post("default", events.encode_frame(frame), headers)

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Any:
        client = AsyncClient(raise_request_exception=False)
        del headers["Host"]  # the test client has one of its own; two would be joined with a comma
        return await client.post(f"/ws/{path}", body, content_type="application/json", headers=headers)


def test_whole_life_under_asgi(gateway: ApiGateway) -> None:
    token = issue_token(UserFactory.create(username="ada"))

    async def live() -> list[Any]:
        stack = AsyncStack(gateway)
        connected = await stack.connect(token)
        said = await stack.send({"handler": "say", "text": "x"})
        thought = await stack.send({"handler": "think", "text": "x"})
        exploded = await stack.send({"handler": "explode"})
        return [connected.status_code, said.json(), thought.json(), exploded.status_code]

    assert async_to_sync(live)() == [200, {"said": "x", "by": "ada"}, {"thought": "x", "by": "ada"}, 500]


def test_event_loop_is_not_blocked_by_a_handler(gateway: ApiGateway) -> None:
    token = issue_token(UserFactory.create())

    async def live() -> int:
        stack = AsyncStack(gateway)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.ensure_future(tick())
        await stack.connect(token)
        for _ in range(10):
            await stack.send({"handler": "say"})
        ticking.cancel()
        return ticks

    assert async_to_sync(live)() > 10


@pytest.mark.parametrize("atomic", [False, True])
def test_spent_token_stays_spent_when_the_hook_raises(
    gateway: ApiGateway, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic)
    token = issue_token(UserFactory.create())

    response = Stack(gateway).connect(token=token, channel="a\nb")

    assert response.status_code == 400
    assert WebSocketToken.objects.get().used_on is not None
    assert Stack(gateway).connect(token=token).status_code == 403


def test_login_required_middleware_does_not_redirect_api_gateway(gateway: ApiGateway, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert Stack(gateway).connect(token=issue_token(UserFactory.create())).status_code == 200


def test_csrf_is_not_asked_of_api_gateway(gateway: ApiGateway) -> None:
    stack = Stack(gateway, enforce_csrf_checks=True)

    assert stack.connect(token=issue_token(UserFactory.create())).status_code == 200


def test_async_orm_sees_the_connections_row(gateway: ApiGateway) -> None:
    stack = Stack(gateway)
    stack.connect(token=issue_token(UserFactory.create()))

    @async_to_sync
    async def count() -> int:
        return await sync_to_async(WebSocketSession.objects.count)()

    assert count() == 1


def test_whole_life_without_time_zones(gateway: ApiGateway, settings: Any) -> None:
    settings.USE_TZ = False
    stack, user = Stack(gateway), UserFactory.create(username="ada")

    assert stack.connect(token=issue_token(user)).status_code == 200
    assert stack.send({"handler": "say", "text": "x"}).json() == {"said": "x", "by": "ada"}
    user.set_password("new")
    user.save()
    assert stack.send({"handler": "say"}).status_code == 410
    assert stack.disconnect().status_code == 200


class LaggingReplica:
    """A router whose replica knows of no token and no connection yet: it is not even there."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "replica" if model in (WebSocketToken, WebSocketSession) else None


def test_replica_that_lags_behind_loses_no_token_and_no_connection(
    gateway: ApiGateway, settings: Any, fake_connections: FakeConnections
) -> None:
    settings.DATABASE_ROUTERS = [LaggingReplica()]
    stack, user = Stack(gateway), UserFactory.create(username="ada")

    assert stack.connect(token=issue_token(user)).status_code == 200
    assert stack.send({"handler": "say", "text": "x"}).json() == {"said": "x", "by": "ada"}
    user.is_active = False
    user.save()
    assert fake_connections.closed == [stack.connection_id]
    assert stack.send({"handler": "say"}).status_code == 410
    assert stack.disconnect().status_code == 200
