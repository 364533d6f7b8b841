"""Channel names that a client must not use, and channels that it must not join, in every way to ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import pytest

from tests.factories import ChannelPermissionFactory
from tests.security.servers import NEEDS_COMMITS
from tests.security.world import World
from tests.support.rawhttp import RawAnswer
from websocket_gateway.models import ChannelSubscription, WebSocketSession

pytestmark = [pytest.mark.django_db(transaction=NEEDS_COMMITS), pytest.mark.urls("tests.security.site")]

HOSTILE = [
    *("a b", " a", "a ", "a\n", "a\r\nb", "a\t", "a\x00", "\x00", "a\x1b[31m", "a\x7f", "a\x85", "a\u200b"),
    *("a\u202eb", "\ufeffa", "\u00e9", "\u0430", "\U0001f600", "a" * 192, "a" * 5_000, "*", "a*", "%", "_%'"),
    *("a/b", "../a", "a%0ab", "a.b", "a:b", "a,b", "a;b", "a'b", 'a"b', "a\\b", "$a", "{{a}}", "<script>"),
    *("' OR '1'='1", "a'; DROP TABLE x; --", "restricted ", " restricted", "restricted\u200b", "a|b", "`id`"),
]
"""Names that the pattern of the view refuses."""

FORBIDDEN = ["staff", "staff-1", "staff-room", "boss", "nobody"]
"""Names that are valid, of channels that rules keep for others."""

NOT_TEXT: list[object] = [None, True, 7, 1.5, [], ["staff"], {}, {"name": "staff"}]

FRAMES: dict[str, Callable[[object], object]] = {
    "subscribe": lambda name: {"_ws": {"type": "subscribe", "channel": name}},
    "subscribe to many": lambda name: {"_ws": {"type": "subscribe", "channels": {str(name): None}}},
    "change_channel": lambda name: {"handler": "change_channel", "channel": name},
    "history": lambda name: {"_ws": {"type": "history", "channel": name}},
    "recover": lambda name: {"_ws": {"type": "recover", "channels": {str(name): {"after": 0}}}},
}
WAYS = {*FRAMES, "connect"}
KEYED = {"subscribe to many", "recover", "connect"}
"""Ways in which a name is always text."""
CASES = 312
"""Each text in six ways, and what is not text in the three that take any value."""


@pytest.fixture(autouse=True)
def rules(world: World) -> None:
    ChannelPermissionFactory.create(channel_name="staff*", audience="staff")
    ChannelPermissionFactory.create(channel_name="boss", audience="superuser")
    ChannelPermissionFactory.create(channel_name="nobody", audience="permissions")


def ask(world: World, way: str, name: object) -> RawAnswer:
    if way != "connect":
        body = json.dumps(FRAMES[way](name)).encode()
        return world.attack(replace(world.genuine("message"), body=body))
    genuine = world.genuine("connect")
    return world.attack(replace(genuine, target=b"/ws/connect?channel=" + quote(str(name)).encode()))


def places(world: World) -> tuple[list[str], list[str]]:
    """The channels of all connections."""
    primary = WebSocketSession.objects.order_by("pk").values_list("channel_name", flat=True)
    return list(primary), list(ChannelSubscription.objects.values_list("channel_name", flat=True))


def test_the_table_is_not_shortened() -> None:
    assert len([*HOSTILE, *FORBIDDEN]) * len(WAYS) + len(NOT_TEXT) * len(WAYS - KEYED) == CASES


@pytest.mark.parametrize("way", sorted(WAYS))
def test_no_such_channel_is_joined(world: World, way: str) -> None:
    before = places(world)

    joined = {}
    for name in [*HOSTILE, *FORBIDDEN, *(NOT_TEXT if way not in KEYED else [])]:
        answer = ask(world, way, name)
        world.assert_no_secret(answer)
        refused = 400 <= answer.status < 500 or (answer.status == 200 and b'"error"' in answer.body)
        if not refused or places(world) != before:
            joined[str(name)] = answer.raw

    assert joined == {}
    assert world.handled() == []


def test_a_channel_that_is_open_is_joined(world: World) -> None:
    assert ask(world, "subscribe", "open").status == 200
    assert places(world)[1] == ["open"]
