"""Frames that are not a plain JSON object, or not one that a handler may get, over a real socket."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.security.servers import NEEDS_COMMITS
from tests.security.world import World
from websocket_gateway.frames import MAX_DEPTH, InvalidFrameError, parse_frame

pytestmark = [pytest.mark.django_db(transaction=NEEDS_COMMITS), pytest.mark.urls("tests.security.site")]

UNREADABLE: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("text", b"hello"),
    ("list", b"[]"),
    ("null", b"null"),
    ("string", b'"text"'),
    ("two objects", b"{} {}"),
    ("byte order mark", b"\xef\xbb\xbf{}"),
    ("UTF-16", "{}".encode("utf-16")),
    ("invalid UTF-8", b'{"a": "\xff"}'),
    ("NaN", b'{"a": NaN}'),
    ("Infinity", b'{"a": -Infinity}'),
    ("float beyond range", b'{"a": 1e999}'),
    ("five thousand digits", b'{"a": ' + b"9" * 5000 + b"}"),
    ("duplicate key", b'{"a": 1, "a": 2}'),
    ("duplicate key inside", b'{"a": {"b": 1, "b": 2}}'),
    ("NUL", b'{"a": "\\u0000"}'),
    ("lone surrogate", b'{"a": ["\\ud800"]}'),
    ("lone surrogate as key", b'{"\\uDFFF": 1}'),
    ("100,000 levels, open", b"[" * 100_000),
    ("20,000 objects", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    ("one level too deep", b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"),
    ("reserved key is no object", b'{"_ws": 1}'),
    ("reply id is a boolean", b'{"_ws": {"id": true}}'),
    ("reply id is empty", b'{"_ws": {"id": ""}}'),
    ("reply id is a list", b'{"_ws": {"id": [1]}}'),
    ("reply id beyond 53 bits", b'{"_ws": {"id": 9007199254740992}}'),
    ("reply id is long", json.dumps({"_ws": {"id": "x" * 129}}).encode()),
]
"""What the reader itself refuses."""

FRAMES: list[tuple[str, bytes]] = [
    *UNREADABLE,
    ("NUL alone", b"\x00"),
    ("white space alone", b" \r\n\t"),
    ("number", b"7"),
    ("true", b"true"),
    ("object cut off", b'{"handler": "say"'),
    ("comma behind the last", b'{"handler": "say",}'),
    ("comment", b'{"handler": "say" /* x */}'),
    ("single quotes", b"{'handler': 'say'}"),
    ("keys without quotes", b"{handler: 'say'}"),
    ("control character in a string", b'{"handler": "s\nay"}'),
    ("hexadecimal number", b'{"handler": "say", "n": 0x10}'),
    ("leading zero", b'{"handler": "say", "n": 012}'),
    ("escape that is none", b'{"handler": "say", "t": "\\x41"}'),
    ("overlong UTF-8", b'{"handler": "s\xc1\xa1y"}'),
    ("surrogates in UTF-8", b'{"handler": "say", "t": "\xed\xa0\x80"}'),
    ("UTF-32", '{"handler": "say"}'.encode("utf-32")),
    ("UTF-7", b"+AHs-+ACI-handler+ACI-: +ACI-say+ACI-+AH0-"),
    ("two handlers", b'{"handler": "guarded", "handler": "say"}'),
    ("two handlers, one of them escaped", b'{"handler": "say", "h\\u0061ndler": "guarded"}'),
    ("NUL in the handler", b'{"handler": "say\\u0000"}'),
    ("deep list", b'{"handler": "say", "x": ' + b"[" * 500 + b"]" * 500 + b"}"),
    ("control that is a list", b'{"_ws": []}'),
    ("control that is text", b'{"_ws": "ping"}'),
    ("control of an unknown type", b'{"_ws": {"type": "evil"}}'),
    ("control whose type is a list", b'{"_ws": {"type": ["subscribe"]}}'),
    ("control whose type is an object", b'{"_ws": {"type": {"$ne": 1}}}'),
    ("control whose type is a number", b'{"_ws": {"type": 1e308}}'),
    ("subscription to nothing", b'{"_ws": {"type": "subscribe"}}'),
    ("subscription to a list", b'{"_ws": {"type": "subscribe", "channel": ["a"]}}'),
    (
        "subscription to too many",
        json.dumps({"_ws": {"type": "subscribe", "channels": {f"c{n}": None for n in range(500)}}}).encode(),
    ),
    ("subscription to channels that are text", b'{"_ws": {"type": "subscribe", "channels": "abc"}}'),
    ("recovery of nothing", b'{"_ws": {"type": "recover"}}'),
    ("history of nothing", b'{"_ws": {"type": "history"}}'),
    ("history of a list", b'{"_ws": {"type": "history", "channel": [1], "before": {}}}'),
    ("client that is an object", b'{"handler": "say", "_ws": {"client": {}}}'),
    ("client that is long", json.dumps({"handler": "say", "_ws": {"client": "x" * 65}}).encode()),
    ("XML", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>'),
    ("pickle", b"cos\nsystem\n(S'id'\ntR."),
    ("form", b"handler=say&text=x"),
    ("multipart", b'--x\r\nContent-Disposition: form-data; name="handler"\r\n\r\nsay\r\n--x--'),
    ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
    ("too large", b'{"handler": "say", "x": "' + b"y" * 131_072 + b'"}'),
    ("too large, not JSON", b"x" * 200_000),
]
CASES = 70


def test_the_table_is_not_shortened() -> None:
    assert len(dict(FRAMES)) == len(FRAMES) == CASES


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in UNREADABLE])
def test_text_that_is_not_a_plain_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidFrameError):
        parse_frame(data)


def test_no_hostile_frame_reaches_a_handler_or_a_row(world: World) -> None:
    genuine, before = world.genuine("message"), world.rows()

    accepted = {}
    for name, data in FRAMES:
        answer = world.attack(replace(genuine, body=data))
        world.assert_no_secret(answer)
        if answer.status not in (400, 413) or world.rows() != before:
            accepted[name] = answer.raw

    assert accepted == {}
    assert world.handled() == []
