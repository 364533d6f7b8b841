"""The installation `staging`, beside production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.factories import UserFactory
from tests.local.backend import Backend
from tests.security import settings as attacked
from tests.security.servers import SERVERS, serving
from tests.security.staging import Staging, install, open_socket
from tests.security.world import World, build_world
from tests.support.proxy import KillingProxy, killing_proxy
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import WebSocketSession
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[GatewayHandle, KillingProxy, Backend]]:
    """For the whole module, because boto3 needs long to make a client for another address."""
    backend = Backend()
    backend.start()
    with ExitStack() as stack:
        stack.callback(backend.stop)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        gateway = stack.enter_context(local_gateway())
        yield gateway, stack.enter_context(killing_proxy(gateway.port)), backend


@pytest.fixture
def staging(servers: tuple[GatewayHandle, KillingProxy, Backend], settings: Any) -> Iterator[Staging]:
    gateway, proxy, backend = servers
    settings.AWS_GATEWAY_REGION_NAME = "eu-west-1"
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": proxy.url}
    with ExitStack() as stack:
        stack.callback(gateway.gateway.store.apis.clear)
        user = UserFactory.create()
        settings.SECRET_KEY = "the key of production"
        foreign = install("chat", backend)
        sockets = [stack.enter_context(open_socket(foreign, gateway, user)) for _ in range(2)]
        settings.SECRET_KEY = "the key of staging"
        own = install("chat-staging", backend)
        own_socket = stack.enter_context(open_socket(own, gateway, UserFactory.create()))
        # What staging could check of a copied session: the hash under its own key.
        WebSocketSession.objects.filter(user=user).update(session_auth_hash=hash_session_auth(user))
        proxy.calls.clear()
        yield Staging(proxy, backend, gateway, foreign, own, sockets, own_socket, user)
    gateway.wait_until(lambda: not gateway.connections())


@pytest.fixture(scope="module", params=SERVERS)
def port(
    request: pytest.FixtureRequest, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of a server of the attacked site."""
    with serving(request.param, tmp_path_factory.mktemp("server") / "log") as found:
        yield found


@pytest.fixture
def world(port: int, db: None, settings: Any) -> World:
    """The attacked site with its rows."""
    settings.ALLOWED_HOSTS = attacked.ALLOWED_HOSTS
    settings.WEBSOCKET_GATEWAY = attacked.WEBSOCKET_GATEWAY
    return build_world(port)
