"""The local gateway inside a test: `pytest_plugins = ["websocket_gateway.testing.gateway"]`.

Fixtures: `local_gateway` (a fresh gateway for each test) and `django_local_gateway` (the same, with
`WEBSOCKET_GATEWAY["ENDPOINT_URL"]` pointing at it). Without pytest, which need not be installed:
`with local_gateway(serialize=needs_serialized_requests()) as gateway:`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ImportError:
    HAS_PYTEST = False
else:
    HAS_PYTEST = True

if TYPE_CHECKING:
    from websocket_gateway.local.gateway import ConnectionInfo, LocalGateway
    from websocket_gateway.local.integration import ForwardedRequest
    from websocket_gateway.local.options import Faults

KEPT_REQUESTS = 1000


class GatewayHandle:
    """A running gateway: what a test can read and change."""

    def __init__(self, gateway: LocalGateway, requests: deque[ForwardedRequest]) -> None:
        self.gateway = gateway
        self._requests = requests

    @property
    def endpoint_url(self) -> str:
        """The value for `ENDPOINT_URL`."""
        return self.gateway.endpoint_url

    @property
    def port(self) -> int:
        """The port of the gateway."""
        return self.gateway.port

    @property
    def faults(self) -> Faults:
        """The faults that the gateway makes; can be changed at any time."""
        return self.gateway.faults

    @property
    def requests(self) -> tuple[ForwardedRequest, ...]:
        """The events forwarded to the backend, answered or not, the oldest first."""
        return tuple(self._requests)

    def connections(self) -> tuple[ConnectionInfo, ...]:
        """Return the sockets that are open now."""
        return self.gateway.connections()

    def cut(self, connection_ids: Collection[str] | None = None) -> int:
        """Cut open sockets (all by default) as a broken network does. Return their number."""
        return self.gateway.cut(connection_ids)

    def wait_until(self, condition: Callable[[], object], *, timeout: float = 5.0) -> None:
        """Wait for something that happens in the background, such as a `$disconnect`."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"the condition was not met within {timeout:g} s")
            time.sleep(0.005)


@contextmanager
def local_gateway(*, faults: Faults | None = None, **options: Any) -> Iterator[GatewayHandle]:
    """Run a local gateway on a free port, with the fields of `GatewayOptions` as keywords.

    Raises `LocalGatewayError` if the extra `local` is not installed.
    """
    from websocket_gateway.local.errors import missing_extra
    from websocket_gateway.local.options import GatewayOptions

    # Not at the top: the server is an optional extra, and this module must load without it.
    try:
        from websocket_gateway.local.gateway import LocalGateway
    except ImportError as exc:
        raise missing_extra(exc) from None

    requests: deque[ForwardedRequest] = deque(maxlen=KEPT_REQUESTS)
    gateway = LocalGateway(
        GatewayOptions(**{"port": 0, "shutdown_grace": 2.0, **options}),
        faults=faults,
        recorder=requests.append,
    )
    with gateway:
        yield GatewayHandle(gateway, requests)


def needs_serialized_requests() -> bool:
    """Whether a live server of this project would fail under parallel requests (in-memory SQLite)."""
    from django.conf import settings

    if not settings.configured:
        return False
    from django.db import connections

    connection = connections["default"]
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())  # type: ignore[attr-defined]


if HAS_PYTEST:

    @pytest.fixture(name="local_gateway")
    def local_gateway_fixture() -> Iterator[GatewayHandle]:
        """A new local gateway, which forwards one event at a time if the database needs that."""
        with local_gateway(serialize=needs_serialized_requests()) as handle:
            yield handle

    @pytest.fixture(name="django_local_gateway")
    def django_local_gateway_fixture(local_gateway: GatewayHandle, settings: Any) -> GatewayHandle:
        """A new local gateway, with `ENDPOINT_URL` of the project's settings pointing at it."""
        present = getattr(settings, "WEBSOCKET_GATEWAY", None) or {}
        settings.WEBSOCKET_GATEWAY = {**present, "ENDPOINT_URL": local_gateway.endpoint_url}
        return local_gateway
