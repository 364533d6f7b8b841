"""Clients and virtual time for any test runner: `with` blocks, and a mixin for unittest and Django."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from datetime import timezone as timezones
from functools import partial
from typing import TYPE_CHECKING

from django.utils import timezone

from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.receiving.limits import forget_known_keys
from websocket_gateway.security_log import forget_windows
from websocket_gateway.testing.client import WebSocketClient
from websocket_gateway.testing.connections import FakeConnections, record_connections

if TYPE_CHECKING:
    _Case = unittest.TestCase
else:
    _Case = object


@contextmanager
def websocket_clients(
    connections: FakeConnections | None = None,
) -> Iterator[Callable[..., WebSocketClient]]:
    """Make clients within a `with` block: `ws_client(ChatView).connect(user=user)`; nothing is sent for real.

    What the process remembers of the database is forgotten before and after, as a test rolls its rows back,
    and before also how many refusals were logged, so that a test can look for each.
    """
    forget_gateways()
    forget_known_keys()
    forget_windows()
    try:
        if connections is not None:
            yield partial(WebSocketClient, connections=connections)
        else:
            with record_connections() as fake:
                yield partial(WebSocketClient, connections=fake)
    finally:
        forget_gateways()
        forget_known_keys()


class Clock:
    """The time that `django.utils.timezone.now()` returns; it stands still until it is advanced."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    @property
    def now(self) -> datetime:
        """The virtual time, in UTC."""
        return self._now

    def advance(self, seconds: float = 0.0, **more: float) -> None:
        """Let time pass: `advance(90)`, or the other arguments of `timedelta`, as in `advance(hours=2)`.

        Raises `ValueError` for a time that is not ahead.
        """
        step = timedelta(seconds=seconds, **more)
        if step <= timedelta(0):
            raise ValueError(f"Time only goes on: {step} is not above zero.")
        self._now += step


@contextmanager
def virtual_time(start: datetime | None = None) -> Iterator[Clock]:
    """Stop the time of Django within a `with` block, at `start` or now, and let it pass by `clock.advance()`.

    Whatever asks `django.utils.timezone.now()`, model fields included, gets the virtual time, in all threads:
    histories, tokens, logins, limits and connections age without sleeping. `time.time()` goes on as always.
    Raises `ValueError` for a `start` without a time zone.
    """
    if start is not None and timezone.is_naive(start):
        raise ValueError(f"start must have a time zone, unlike {start!r}.")
    clock = Clock((start or datetime.now(timezones.utc)).astimezone(timezones.utc))

    class _AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class _Datetime(datetime, metaclass=_AnyDatetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            local = clock.now.astimezone(tz)
            return local if tz else local.replace(tzinfo=None)

    # Not `now` itself: the defaults of model fields hold that function, and look `datetime` up in its module.
    real = vars(timezone)["datetime"]
    vars(timezone)["datetime"] = _Datetime
    try:
        yield clock
    finally:
        vars(timezone)["datetime"] = real


class WebSocketTestMixin(_Case):
    """Gives every test of a class `self.ws_client` and `self.fake_connections`.

    `class ChatTests(WebSocketTestMixin, TestCase)`, with a `TestCase` of Django or of unittest.
    """

    ws_client: Callable[..., WebSocketClient]
    fake_connections: FakeConnections

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run one test. Not `setUp`, which a class may override without calling this one."""
        with record_connections() as fake, websocket_clients(fake) as ws_client:
            self.fake_connections, self.ws_client = fake, ws_client
            return super().run(result)
