"""A scripted load over HTTP, and what it must have counted, exactly."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.factories import WebSocketSessionFactory
from tests.metrics.figures import Counts
from tests.sink import Sink
from tests.support.served import Door
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing import events

CLIENTS = 12
WORKERS = 4
_MORE_CLIENTS = 400
"""Clients that may come in addition, until each worker has answered one."""


@dataclass
class Load:
    """The clients of one gateway, whose other connections are at `sink`."""

    port: int
    gateway: ApiGateway
    sink: Sink
    expected: Counts = field(default_factory=Counter)
    workers: set[int] = field(default_factory=set)

    def run(self) -> None:
        """All clients at once, then more of them until every worker has had one."""
        rooms = [self.fill_room(number) for number in range(CLIENTS)]
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(self.client, range(CLIENTS), rooms))
        for pid in outcomes:
            self.workers.add(pid)
        for number in range(CLIENTS, CLIENTS + _MORE_CLIENTS):
            if len(self.workers) == WORKERS:
                break
            self.workers.add(self.short_client(number))
            self.expect(*_CONNECT, *_SAY, *_DISCONNECT)
        self.expect(*(_CLIENT * CLIENTS))

    def fill_room(self, number: int) -> str:
        """A channel of four connections that answer 200, 410, 403, and 429 before 200."""
        room, long_ago = f"room{number}", timezone.now() - timedelta(minutes=1)
        answers: dict[str, Any] = {"good": 200, "gone": 410, "denied": 403, "busy": [429, 200]}
        for name, answer in answers.items():
            connection_id = f"{name}{number}="
            self.sink.answers[connection_id] = answer
            WebSocketSessionFactory.create(
                api_gateway=self.gateway, connection_id=connection_id, channel_name=room, created_on=long_ago
            )
        return room

    def client(self, number: int, room: str) -> int:
        """One client that does everything once; the process that has answered it."""
        with closing(Door(self.port)) as door:
            return self.do_everything(door, number, room)

    def do_everything(self, door: Door, number: int, room: str) -> int:
        me = f"client{number}="
        self.connect(door, me)
        pid: int = self.say(door, me, {"handler": "say", "_ws": {"id": "1", "client": me}})["pid"]
        again = self.say(door, me, {"handler": "say", "_ws": {"id": "1", "client": me}})
        assert again["_ws"]["duplicate"] is True
        shouted = self.say(door, me, {"handler": "shout", "to": room, "_ws": {"id": "2"}})
        assert (shouted["delivered"], shouted["gone"], shouted["failed"]) == (2, 1, 1), shouted
        kept = f"kept_{number}"
        for _ in range(3):
            self.say(door, me, {"handler": "shout", "to": kept, "_ws": {"id": "3"}})
        for position in ({"epoch": "another", "offset": 1}, None):
            frame = {"_ws": {"type": "subscribe", "id": "4", "channels": {kept: position}}}
            self.say(door, me, frame)
        self.say(door, me, {"handler": f"forged{number}"})
        self.say(door, me, {"handler": "explode"})
        self.disconnect(door, me)
        self.refused(door, number)
        return pid

    def short_client(self, number: int) -> int:
        """Connect, say, disconnect."""
        me = f"short{number}="
        with closing(Door(self.port)) as door:
            self.connect(door, me)
            pid: int = self.say(door, me, {"handler": "say", "_ws": {"id": "1"}})["pid"]
            self.disconnect(door, me)
        return pid

    def connect(self, door: Door, me: str) -> None:
        status, body = door.post("/ws/connect", b"", events.connect_headers(self.gateway, me))
        assert status == 200, body

    def disconnect(self, door: Door, me: str) -> None:
        headers = events.event_headers(self.gateway, me, "DISCONNECT", "$disconnect")
        assert door.post("/ws/disconnect", b"", headers)[0] == 200

    def say(self, door: Door, me: str, frame: Any) -> Any:
        headers = events.event_headers(self.gateway, me, "MESSAGE", "$default")
        return door.frame("/ws/default", frame, headers)[1]

    def refused(self, door: Door, number: int) -> None:
        """Connects from a page of another site, with an unknown API, and with a wrong secret."""
        evil = events.connect_headers(self.gateway, f"evil{number}=", origin=f"https://evil{number}.example")
        unknown = events.connect_headers(self.gateway, f"evil{number}=") | {
            "X-Amzn-Apigateway-Api-Id": f"no{number}"
        }
        forged = events.connect_headers(self.gateway, f"evil{number}=") | {"wsOriginSecret": "x" * 43}
        for headers in (evil, unknown, forged):
            assert door.post("/ws/connect", b"", headers)[0] == 403

    def expect(self, *keys: tuple[str, ...]) -> None:
        """Count these, which happened once each."""
        self.expected.update(keys)


def _event(event: str, code: str = "ok") -> tuple[str, ...]:
    return "event.duration", f"code={code}", f"event={event}"


def _record(kind: str, rule: str, code: str = "") -> tuple[str, ...]:
    return "security.records", *([f"code={code}"] if code else []), f"kind={kind}", f"rule={rule}"


def _handler(name: str, error: str = "") -> tuple[str, ...]:
    return "handler.duration", *([f"error.type={error}"] if error else []), f"handler={name}"


_CONNECT = (_event("connect"), _handler("connect"))
_SAY = (_event("message"), _handler("say"))
_DISCONNECT = (_event("disconnect"), _handler("disconnect"), ("connection.ends", "reason=client"))
_DUPLICATE = (_event("message"), ("message.duplicates",), _record("replayed", "duplicate"))
_POSTS = ("delivered", "delivered", "gone", "denied", "throttled")
_SHOUT = (
    *(_event("message"), _handler("shout"), ("send.duration", "mode=urgent")),
    *(("send.posts", f"outcome={outcome}") for outcome in _POSTS),
    *(("send.recipients", f"outcome={name}") for name in ("delivered", "delivered", "gone", "failed")),
    *(("connection.ends", "reason=gone"), ("send.given_up",)),
)
_PUBLISH = (_event("message"), _handler("shout"), ("history.publishes",), ("send.duration", "mode=urgent"))
_RECOVER = (_event("message"), ("history.recoveries",), ("history.losses", "reason=epoch"))
_FORGED = (
    *(_event("message", "unknown_handler"), _handler("default", "refused")),
    _record("refused", "unknown_handler", "unknown_handler"),
)
_EXPLODE = (_event("message", "internal_error"), _handler("explode", "exception"))
_REFUSED = (
    *(_event("connect", "origin_denied"), _record("refused", "origin_denied", "origin_denied")),
    *(_event("unknown", "forbidden"), _record("forged", "unknown_gateway", "forbidden")),
    *(_event("unknown", "forbidden"), _record("forged", "origin_secret", "forbidden")),
)
_CLIENT = [
    *(*_CONNECT, *_SAY, *_DUPLICATE, *_SHOUT, *(_PUBLISH * 3), *_RECOVER, _event("message")),
    *(*_FORGED, *_EXPLODE, *_DISCONNECT, *_REFUSED),
]
