"""Ways around the limits: whatever a client varies, it is one client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from tests.factories import WebSocketSessionFactory
from tests.security.servers import NEEDS_COMMITS
from tests.security.world import World
from tests.support.rawhttp import RawRequest, add, both, drop, framed, put
from websocket_gateway.models import WebSocketSession
from websocket_gateway.receiving.tokens import make_token

pytestmark = [
    pytest.mark.django_db(transaction=NEEDS_COMMITS),
    pytest.mark.urls("tests.security.site"),
    pytest.mark.usefixtures("within_one_minute"),
]

LIMIT = 3
"""Of every kind, in the views of the attacked site."""


class Attack(NamedTuple):
    """`make` gives the request number `n`; the first three pass, or are refused for another reason."""

    name: str
    make: Callable[[World, int], RawRequest]
    passes: int = 200


def connect(world: World, number: int, path: str = "limited") -> RawRequest:
    """A connection with a token and an id of its own."""
    genuine = world.genuine("connect")
    target = f"/{path}/connect?ws_token={make_token(world.attacker)}".encode()
    return put("connectionId", f"Number{number}=")(replace(genuine, target=target))


def stranger(world: World, number: int) -> RawRequest:
    """The same with a token that is not one."""
    return replace(connect(world, number), target=f"/limited/connect?ws_token=guess{number}".encode())


def message(world: World, body: object, path: str = "limited") -> RawRequest:
    """A frame of the attacker's connection."""
    return replace(
        world.genuine("message"), target=f"/{path}/default".encode(), body=json.dumps(body).encode()
    )


def varied(
    name: str, values: Callable[[int], str], of: Callable[[World, int], RawRequest]
) -> Callable[[World, int], RawRequest]:
    """Requests that differ in a header."""
    return lambda world, number: put(name, values(number))(of(world, number))


def subscription(number: int) -> dict[str, object]:
    return {"_ws": {"type": "subscribe", "channel": f"channel{number}"}}


ATTACKS = [
    Attack("a user, another connection id", connect),
    Attack("a user, another address", varied("wsSourceIp", lambda n: f"198.51.100.{n + 1}", connect)),
    Attack("a user, another user agent", varied("User-Agent", lambda n: f"Browser/{n}", connect)),
    Attack("a user, another cookie", varied("Cookie", lambda n: f"sessionid=x{n}", connect)),
    Attack("a stranger, another token", stranger, 403),
    Attack(
        "a stranger, X-Forwarded-For",
        varied("X-Forwarded-For", lambda n: f"198.51.100.{n + 1}", stranger),
        403,
    ),
    Attack("a stranger, X-Real-IP", varied("X-Real-IP", lambda n: f"198.51.100.{n + 1}", stranger), 403),
    Attack("a stranger, Forwarded", varied("Forwarded", lambda n: f"for=198.51.100.{n + 1}", stranger), 403),
    Attack("a stranger, the same /64", varied("wsSourceIp", lambda n: f"2001:db8::{n + 1:x}", stranger), 403),
    Attack(
        "a stranger, spellings of an address",
        varied(
            "wsSourceIp",
            lambda n: ("2001:db8::1", "2001:DB8::1", "2001:db8:0::1", "2001:0db8::01")[n],
            stranger,
        ),
        403,
    ),
    Attack("a stranger, another user agent", varied("User-Agent", lambda n: f"Browser/{n}", stranger), 403),
    Attack("messages", lambda world, n: message(world, {"handler": "say", "text": n})),
    Attack("messages with an id", lambda world, n: message(world, {"handler": "say", "_ws": {"id": n}})),
    Attack("pings", lambda world, n: message(world, {"_ws": {"type": "ping"}})),
    Attack("messages that are refused", lambda world, n: message(world, {"handler": f"no{n}"}), 400),
    Attack(
        "messages, another address",
        lambda world, n: put("wsSourceIp", f"198.51.100.{n + 1}")(message(world, {"handler": "say"})),
    ),
]
BODIES = [
    ("declared too large", lambda request: framed("Content-Length: 3001\r\n", "{}")(request)),
    ("declared as huge", lambda request: framed("Content-Length: 999999999999999999\r\n", "{}")(request)),
    ("too large", lambda request: replace(request, body=b'{"handler": "say", "x": "%s"}' % (b"y" * 3_000))),
    (
        "too large without a length",
        lambda request: both(drop("Content-Length"), add("X", "y"))(
            framed(
                "Transfer-Encoding: chunked\r\n",
                "bb8\r\n" + "y" * 3_000 + "\r\nbb8\r\n" + "y" * 3_000 + "\r\n0\r\n\r\n",
                complete=True,
            )(request)
        ),
    ),
]
COUNTED = 2
"""Connections of a user, and subscriptions of a connection."""
CASES = 22


def test_the_table_is_not_shortened() -> None:
    assert len(ATTACKS) + len(BODIES) + COUNTED == CASES


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_attempt_beyond_the_limit_is_refused(world: World, attack: Attack) -> None:
    statuses = [world.attack(attack.make(world, number)).status for number in range(LIMIT)]
    handled, connections = world.handled(), WebSocketSession.objects.count()

    answer = world.attack(attack.make(world, LIMIT))

    assert statuses == [attack.passes] * LIMIT
    assert answer.status == 429 or b'"rate_limited"' in answer.body, answer.raw
    assert (world.handled(), WebSocketSession.objects.count()) == (handled, connections)


@pytest.mark.parametrize(("name", "change"), BODIES, ids=[name for name, _change in BODIES])
def test_a_body_beyond_the_limit_is_refused(
    world: World, name: str, change: Callable[[RawRequest], RawRequest]
) -> None:
    before = world.rows()

    request = change(message(world, {"handler": "say"}))
    answer = world.attack(request)

    # Under ASGI Django waits for the whole body before it calls a view: no answer while it has not come.
    assert answer.status in (400, 413, *([] if request.complete else [0])), answer.raw
    assert (world.handled(), world.rows()) == ([], before)


def test_a_user_has_so_many_connections_and_no_more(world: World) -> None:
    WebSocketSessionFactory.create(api_gateway=world.gateway, user=world.attacker)
    assert world.attack(connect(world, 0, "crowded")).status == 200
    before = WebSocketSession.objects.count()

    assert world.attack(connect(world, 1, "crowded")).status == 429
    assert WebSocketSession.objects.count() == before


def test_a_connection_has_so_many_channels_and_no_more(world: World) -> None:
    statuses = [world.attack(message(world, subscription(n), "subscribing")).status for n in range(LIMIT)]

    answer = world.attack(message(world, subscription(LIMIT), "subscribing"))

    assert (statuses, answer.status) == ([200] * LIMIT, 409)
    assert world.own.subscriptions.count() == LIMIT
