"""Two releases behind one gateway: the page's own commands, typed while a client sends and receives."""

from __future__ import annotations

import json
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.docs.pages import blocks_of
from tests.docs.projects import Project, first_line, tour_project
from tests.docs.transcripts import turns

PAGE = "blue_green.md"
PATIENCE = 90
SETTINGS = """
import os
SECRET_KEY = os.environ.get("TOUR_KEY", SECRET_KEY)
SECRET_KEY_FALLBACKS = os.environ.get("TOUR_FALLBACKS", "").split()
RELEASE = os.environ.get("TOUR_RELEASE")
ALLOWED_HOSTS = ["*"]
DATABASES["default"]["OPTIONS"] = {
    "timeout": 60, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"
}
WEBSOCKET_GATEWAY |= {
    "CHANNELS": {"lobby": {"HISTORY_MESSAGES": 1000}},
    "RATE_LIMIT_MAX_ATTEMPTS": 0,
    "MAX_MESSAGES_PER_MINUTE": 0,
}
"""
VIEW = """
from django.conf import settings
from websocket_gateway.sending import broadcast
from websocket_gateway.views import WebSocketView


class LobbyView(WebSocketView):
    def say(self, request):
        broadcast({"n": self.body["n"]}, channel="lobby")
        return {"release": settings.RELEASE}
"""
SOCKET = """
from django.contrib.auth.models import User
from websocket_gateway.connections import find_socket_url
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.tokens import issue_token
token = issue_token(User.objects.get_or_create(username="ada")[0])
print(find_socket_url(ApiGateway.objects.get(api_name="{name}")) + "?channel=lobby&ws_token=" + token)
"""


@dataclass
class Site:
    """A project, and the ports of its releases."""

    project: Project
    ports: dict[str, int]

    def type(self, line: str) -> str:
        """Type a line of the page; what it prints."""
        for release, port in self.ports.items():
            line = line.replace(f"https://{release}.example.com", f"http://127.0.0.1:{port}")
        status, printed = self.project.type(line)
        assert status == 0, printed
        return printed

    @contextmanager
    def serving(self, release: str, **environment: str) -> Iterator[None]:
        """Run a release until the end of the block."""
        common = self.project.environment
        self.project.environment = common | {"TOUR_RELEASE": release, **environment}
        address = f"127.0.0.1:{self.ports[release]}"
        with self.project.running("runserver", "--noreload", address) as server:
            self.project.environment = common
            first_line(server, "Quit the server")
            threading.Thread(target=server.stdout.read, daemon=True).start()  # type: ignore[union-attr]
            yield

    def open(self, gateway: str = "chat") -> ClientConnection:
        """A socket in the lobby."""
        code = shlex.quote(SOCKET.format(name=gateway))
        return connect(
            self.type(f"python manage.py shell -v 0 -c {code}").split()[-1],
            proxy=None,
            ping_interval=None,
            open_timeout=PATIENCE,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with tour_project(tmp_path_factory.mktemp("tour")) as project, ExitStack() as probes:
        ports = {
            name: probes.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            for name in ("blue", "green")
        }
        probes.close()
        with (project.folder / "tour/settings.py").open("a") as settings:
            settings.write(SETTINGS)
        (project.folder / "tour/sockets.py").write_text(VIEW)
        yield Site(project, ports)


@dataclass
class Conversation:
    """A client that sends all the time, with what it got."""

    client: ClientConnection
    sent: int = 0
    replies: dict[int, str] = field(default_factory=dict)
    offsets: set[int] = field(default_factory=set)
    said: set[int] = field(default_factory=set)
    refused: list[Any] = field(default_factory=list)
    ended: bool = False
    talking: bool = True

    def start(self) -> None:
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._talk, self._listen)]
        for thread in self.threads:
            thread.start()

    def finish(self) -> None:
        """Say no more, and wait for all that is on its way."""
        self.talking = False
        self.threads[0].join(PATIENCE)
        wait(lambda: self.ended or self.missing() == ([], []))
        assert (self.missing(), self.refused) == (([], []), [])

    def missing(self) -> tuple[list[int], list[int]]:
        """What got no reply, and what was not heard by the channel."""
        sent = {*range(self.sent)}
        return sorted(sent - {*self.replies}), sorted(sent - self.said)

    def _talk(self) -> None:
        while self.talking:
            if self.sent - len(self.replies) >= 3:  # no more at once than a slow machine answers
                time.sleep(0.05)
                continue
            self.client.send(json.dumps({"handler": "say", "n": self.sent, "_ws": {"id": self.sent}}))
            self.sent += 1
            time.sleep(0.1)

    def _listen(self) -> None:
        try:
            for text in self.client:
                self._read(json.loads(text))
        except ConnectionClosed:
            self.ended = True

    def _read(self, frame: dict[str, Any]) -> None:
        ours = frame.get("_ws", {})
        if "offset" in ours:
            self.offsets.add(ours["offset"])
            self.said.add(frame["n"])
        elif "release" in frame:
            self.replies[ours["reply_to"]] = frame["release"]
        else:
            self.refused.append(frame)


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def conversation(client: ClientConnection) -> Iterator[Conversation]:
    with client:
        made = Conversation(client)
        made.start()
        wait(lambda: len(made.replies) >= 5)
        yield made
        made.finish()
        assert not made.ended
    assert made.refused == []
    assert made.said == {*range(made.sent)}
    assert made.offsets == {*range(min(made.offsets), min(made.offsets) + made.sent)}


def lines(holding: str) -> list[str]:
    """The commands of the page that hold these words, in order."""
    return [
        turn.line for block in blocks_of(PAGE, "console") for turn in turns(block) if holding in turn.line
    ]


def switch(holding: str) -> str:
    """The command of the page that gives the gateway this target."""
    (line,) = (item for item in lines(holding) if "--dry-run" not in item)
    return line


def test_a_switch_of_the_target_closes_no_socket_and_loses_nothing(site: Site) -> None:
    with ExitStack() as blue, site.serving("green"):
        blue.enter_context(site.serving("blue"))
        site.type(switch("blue.example.com"))
        with conversation(site.open()) as talk:
            site.type(lines("migrate")[0])
            planned, done = (site.type(line) for line in lines("green.example.com"))
            wait(lambda: "green" in talk.replies.values())
            time.sleep(1)  # what blue has got, it answers
            blue.close()
            after = talk.sent
            wait(lambda: talk.sent > after + 5)

    assert planned.count("~ Would update integration") == 3 or "integration $default" in planned
    assert "integration $default" in done
    releases = [talk.replies[number] for number in sorted(talk.replies)]
    assert (releases[0], releases[-1]) == ("blue", "green")
    assert {talk.replies[number] for number in range(after, talk.sent)} == {"green"}


def test_a_rotation_of_the_origin_secret_during_the_switch_refuses_nothing(site: Site) -> None:
    with site.serving("green"), site.serving("blue"):
        site.type(switch("blue.example.com"))
        with conversation(site.open()) as talk:
            rotated = site.type("python manage.py sync_routes chat --rotate-secret --no-input")
            site.type(switch("green.example.com"))
            wait(lambda: "green" in talk.replies.values())

    assert "secret_generation" in rotated


def test_releases_with_each_others_key_as_a_fallback_accept_each_other(site: Site) -> None:
    old, new = "the old key", "the new key"
    keys = [block for block in blocks_of(PAGE, "python") if "SECRET_KEY_FALLBACKS" in block.text]
    assert [keys[0].text.count(f'"{key}"') for key in (old, new)] == [2, 2]
    common = site.project.environment
    blue = {"TOUR_KEY": "old-key-" * 8, "TOUR_FALLBACKS": "new-key-" * 8}
    green = {"TOUR_KEY": "new-key-" * 8, "TOUR_FALLBACKS": "old-key-" * 8}

    with site.serving("green", **green), site.serving("blue", **blue):
        site.project.environment = common | blue
        site.type("python manage.py create_gateway keys --target https://blue.example.com/ws/")
        with conversation(site.open("keys")) as talk:
            site.project.environment = common | green
            site.type("python manage.py sync_routes keys --no-input")  # blue gets events with green's secret
            now = talk.sent
            wait(lambda: talk.sent > now + 5)
            with site.open("keys"):  # a token of green, spent at blue
                pass
            assert set(talk.replies.values()) == {"blue"}
            site.type("python manage.py create_gateway keys --target https://green.example.com/ws/")
            wait(lambda: "green" in talk.replies.values())
    site.project.environment = common


def test_a_message_reaches_the_sockets_of_both_gateways(site: Site) -> None:
    with site.serving("green"), site.serving("blue"):
        site.type(switch("blue.example.com"))
        site.type("python manage.py create_gateway green --target https://green.example.com/ws/")
        with site.open("green") as other, conversation(site.open()) as talk:
            frame = json.loads(other.recv(timeout=PATIENCE))

    assert frame["_ws"]["channel"] == "lobby"
    assert set(talk.replies.values()) == {"blue"}


def test_migrations_let_the_old_release_go_on_inserting_rows() -> None:
    names = sorted(name for app, name in MigrationLoader(None).disk_migrations if app == "websocket_gateway")
    added = [
        (name, operation.model_name, operation.name, operation.field)
        for name in names
        if name >= "0004"
        for operation in import_module(f"websocket_gateway.migrations.{name}").Migration.operations
        if isinstance(operation, AddField)
    ]

    assert len(added) > 10
    assert [item[:3] for item in added if not (item[3].null or item[3].has_db_default())] == []
