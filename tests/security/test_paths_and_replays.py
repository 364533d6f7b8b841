"""Addresses that lead elsewhere than they seem to, event types in the wrong place, and events sent again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.security.servers import NEEDS_COMMITS
from tests.security.world import KINDS, World
from tests.support.rawhttp import RawRequest, put
from websocket_gateway.models import WebSocketSession, WebSocketToken

pytestmark = [pytest.mark.django_db(transaction=NEEDS_COMMITS), pytest.mark.urls("tests.security.site")]

PATHS = [
    *("/ws/connect/", "/ws//connect", "/ws/connect//", "/ws/connect%2F", "/ws%2Fdisconnect"),
    *("/ws/", "/ws", "/", "/WS/connect", "/ws/./connect", "/ws/../ws/connect", "/ws/%2e%2e/ws/connect"),
    *(
        "/ws/connect/../../admin/",
        "/ws/connect%0a",
        "/ws/connect%0d%0aX:y",
        "/ws/connect%00",
        "/ws/%00connect",
    ),
    *("/ws/connect%20", "/ws/%20connect", "/ws/Connect", "/ws/CONNECT", "/ws/connect.", "/ws/connect;x=1"),
    *("/ws/connect%3Fws_token=x", "/ws/connect%23x", "/ws/c%6f%6enect%", "/ws/connect%zz", "/ws/%E9connect"),
    *("/ws/connect%252F", "/ws/con\xe9ct", "/ws/connect\\", "/ws/" + "x" * 5_000, "*", "ws/connect"),
    *("http://evil.example.org/ws/", "/token/", "/admin/", "/ws/%ef%bb%bfconnect", "/ws/connect%e2%80%8b"),
]
"""For a `$connect` of the attacker with everything right; none of these is the connect URL."""

SLUGS = ["connect", "disconnect", "default", "chat", "%63onnect", "Disconnect"]
TYPES = {"connect": "CONNECT", "disconnect": "DISCONNECT", "default": "MESSAGE"}
EVENTS = [*TYPES.values(), "connect", "", "$connect"]
REPLAYS = ["a token", "a connect", "a message after the end", "a disconnect", "an event of a rotated secret"]
CASES = 74


def mismatches() -> list[tuple[str, str]]:
    """Slugs and the event types that do not belong to them."""
    plain = {"%63onnect": "connect"}
    right = {slug: TYPES.get(plain.get(slug, slug), "MESSAGE") for slug in SLUGS}
    return [(slug, event) for slug in SLUGS for event in EVENTS if event != right[slug]]


def test_the_table_is_not_shortened() -> None:
    assert len(PATHS) + len(mismatches()) + len(REPLAYS) == CASES


def test_no_other_address_is_the_connect_url(world: World) -> None:
    genuine, before = world.genuine("connect"), world.rows()
    query = genuine.target.partition(b"?")[2]

    accepted = {}
    for path in PATHS:
        answer = world.attack(replace(genuine, target=path.encode("latin-1") + b"?" + query))
        known = genuine.encode() if answer.status == 400 else b""
        world.assert_no_secret(answer, known=known + world.token.encode())
        if not (300 <= answer.status < 500 or answer.status == 0) or world.rows() != before:
            accepted[path] = answer.raw[:300]

    assert accepted == {}
    assert world.handled() == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_event_type_in_the_wrong_place_is_handled(world: World, kind: str) -> None:
    genuine, before = world.genuine(kind), world.rows()

    accepted = {}
    for slug, event in mismatches():
        request = put("wsEventType", event)(replace(genuine, target=f"/ws/{slug}".encode()))
        answer = world.attack(put("wsRouteKey", "")(request))
        if answer.status != 400 or world.rows() != before:
            accepted[slug, event] = answer.raw

    assert accepted == {}
    assert world.handled() == []


class TestReplays:
    """An event that was recorded, sent again."""

    def again(self, world: World, request: RawRequest) -> int:
        """The status of the second time. Nothing is handled, and no connection is made or changed."""
        assert world.attack(request).status == 200
        handled, sessions = world.handled(), list(WebSocketSession.objects.values())
        status = world.attack(request).status
        assert list(WebSocketSession.objects.values()) == sessions
        assert world.handled() == handled or request.target == b"/ws/disconnect"
        return status

    def test_a_token_opens_one_connection(self, world: World) -> None:
        request = world.genuine("connect")
        assert world.attack(request).status == 200
        before = WebSocketSession.objects.count()

        assert world.attack(put("connectionId", "Another=")(request)).status == 403
        assert WebSocketSession.objects.count() == before
        assert WebSocketToken.objects.get().used_on is not None

    def test_a_connect_is_refused(self, world: World) -> None:
        assert self.again(world, world.genuine("connect")) == 403

    def test_a_disconnect_changes_nothing(self, world: World) -> None:
        assert self.again(world, world.genuine("disconnect")) == 200

    def test_a_message_after_the_end_is_refused(self, world: World) -> None:
        request = world.genuine("message")
        assert world.attack(request).status == 200
        assert world.attack(world.genuine("disconnect")).status == 200
        handled = world.handled()

        assert world.attack(request).status == 410
        assert world.handled() == handled

    def test_an_event_of_a_rotated_secret_is_refused(self, world: World) -> None:
        request = put("wsOriginSecret", world.secret)(world.genuine("message"))
        type(world.gateway).objects.filter(pk=world.gateway.pk).update(secret_generation=2)

        assert world.attack(request).status == 403
        assert world.handled() == []
