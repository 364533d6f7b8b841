"""Clients that live on a project behind gunicorn while sockets are cut, code is deployed and rows are purged.

    python -m tests.support.soaking SECONDS SEED

Each of the 200 clients keeps a position in one of four channels, as the browser client does. It takes pushes
in order, asks for what it has missed, and notes every message that is doubled, out of order, or missing
without `lost`. This process stands for API Gateway: it posts events, takes the messages to `@connections`,
loses and doubles some, and answers 410 for a socket that was cut. Prints what happened, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.served_settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import Error, connection  # noqa: E402

from tests.sink import Sink  # noqa: E402
from tests.support.served import Door, free_port, gunicorn  # noqa: E402
from websocket_gateway.channels import history  # noqa: E402
from websocket_gateway.models import ApiGateway  # noqa: E402
from websocket_gateway.purging import Part, purge  # noqa: E402
from websocket_gateway.testing import events  # noqa: E402

CLIENTS = 200
CHANNELS = [f"soak_{number}" for number in range(1, 5)]
DRIVERS = 4
PUBLISHERS = 2
DEPLOY_SECONDS = 20
HAPPENED: Counter[str] = Counter()


class Client:
    """One tab: a socket that is cut now and then, and a position that outlives it."""

    def __init__(self, soak: Soak, number: int) -> None:
        self.soak, self.channel = soak, CHANNELS[number % len(CHANNELS)]
        self.random = random.Random(f"{soak.seed} client {number}")
        self.lock = threading.Lock()
        self.connection_id = ""
        self.position: dict[str, Any] | None = None
        self.waiting: dict[tuple[str, int], str] = {}
        self.keys: set[str] = set()
        self.faults: list[str] = []
        self.due = time.monotonic() + self.random.uniform(0, 3)

    def live(self, door: Door) -> None:
        """One turn: connect, ask for what is missing, or lose the socket."""
        if not self.connection_id:
            self._connect(door)
        elif self.random.random() < 0.15:
            self._cut(door)
        else:
            self.ask(door, "recover")
        self.due = max(self.due, time.monotonic() + self.random.uniform(1, 4))

    def take(self, push: dict[str, Any]) -> None:
        """Take a message that was sent to the socket."""
        at = push["_ws"]
        with self.lock:
            if self.position is not None:
                self.waiting[at["epoch"], at["offset"]] = push["key"]
                self._drain()

    def ask(self, door: Door, kind: str) -> dict[str, Any] | None:
        """Recover or subscribe; the answer, or None where there was none."""
        with self.lock:
            asked = self.position and dict(self.position)
        frame = {"_ws": {"type": kind, "id": "1", "channels": {self.channel: asked}}}
        answer = self.soak.frame(door, self.connection_id, frame)
        if answer is None or "channels" not in answer["_ws"]:
            return None
        given: dict[str, Any] = answer["_ws"]["channels"][self.channel]
        if "error" in given:
            HAPPENED[f"error {given['error']['code']}"] += 1
            return None
        with self.lock:
            self._apply(asked, given)
        return given

    def _apply(self, asked: dict[str, Any] | None, given: dict[str, Any]) -> None:
        begin = given["offset"]
        if "lost" in given:
            HAPPENED[f"told {given['lost']}"] += 1
        elif asked and (begin != asked["offset"] or asked["epoch"] not in ("", given["epoch"])):
            self.faults.append(f"not told: {asked} became {given['epoch']}:{begin}")
        for number, message in enumerate(given.get("messages", []), 1):
            if message["offset"] != begin + number:
                self.faults.append(f"out of order in an answer: {message} after {begin}")
            self.waiting[given["epoch"], message["offset"]] = message["data"]["key"]
        # A push may have moved the position while the answer was under way.
        if self.position is None or self._follows(self.position, given):
            self.position = {"epoch": given["epoch"], "offset": begin}
        self._drain()

    def _follows(self, position: dict[str, Any], given: dict[str, Any]) -> bool:
        """Whether an answer begins after the position: in another epoch, or beyond what was lost."""
        return bool(position["epoch"] != given["epoch"] or position["offset"] < given["offset"])

    def _drain(self) -> None:
        assert self.position is not None
        epoch = self.position["epoch"]
        while (key := self.waiting.pop((epoch, self.position["offset"] + 1), None)) is not None:
            if key in self.keys:
                self.faults.append(f"doubled: {key}")
            self.keys.add(key)
            self.position["offset"] += 1
            HAPPENED["delivered"] += 1
        for place in [place for place in self.waiting if place[0] == epoch]:
            if place[1] <= self.position["offset"]:
                del self.waiting[place]

    def _connect(self, door: Door) -> None:
        connection_id = events.new_connection_id()
        self.soak.sockets[connection_id] = self
        if self.soak.post(door, "connect", events.connect_headers(self.soak.gateway, connection_id)):
            self.connection_id = connection_id
            if self.ask(door, "subscribe") is None:
                self._cut(door)

    def _cut(self, door: Door) -> None:
        HAPPENED["cut"] += 1
        connection_id, self.connection_id = self.connection_id, ""
        self.soak.sockets.pop(connection_id, None)
        if self.random.random() < 0.5:  # AWS tries its best
            headers = events.event_headers(self.soak.gateway, connection_id, "DISCONNECT", "$disconnect")
            self.soak.post(door, "disconnect", headers)
        if self.random.random() < 0.03:  # a laptop that is closed: longer than HISTORY_SECONDS
            self.due = time.monotonic() + self.random.uniform(70, 90)


class Sockets(Sink):
    """`@connections`: 410 for a socket that was cut; some messages are lost or doubled after a 200."""

    soak: Soak

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        """See `Sink.answer`."""
        client = self.soak.sockets.get(path.rpartition("/")[2].replace("%3D", "="))
        if client is None:
            return 410, b"{}"
        fate = self.soak.random.random()
        for _ in range(0 if fate < 0.01 else 2 if fate < 0.03 else 1):
            client.take(json.loads(body))
        return 200, b""


class Soak:
    """What the clients share."""

    def __init__(self, seconds: float, seed: int, sink: Sockets) -> None:
        self.seconds, self.seed = seconds, seed
        self.random = random.Random(seed)
        self.sockets: dict[str, Client] = {}
        sink.soak = self
        self.gateway: ApiGateway = sink.gateway()
        self.port = free_port()
        self.ends = time.monotonic() + seconds
        self.clients = [Client(self, number) for number in range(CLIENTS)]
        self.rss: list[tuple[float, int]] = []

    def post(self, door: Door, event: str, headers: dict[str, str], body: bytes = b"") -> bytes | None:
        """Post an event; the response of a 200, else None: the database or gunicorn was away."""
        try:
            status, answer = door.post(f"/soak/{event}", body, headers)
        except OSError as exc:
            HAPPENED[f"{event}: {type(exc).__name__}"] += 1
            return None
        if status != 200:
            HAPPENED[f"{event}: {status}"] += 1
            return None
        return answer or b"{}"

    def frame(self, door: Door, connection_id: str, frame: object) -> dict[str, Any] | None:
        """Post a frame; the answer, or None where there was none."""
        headers = events.event_headers(self.gateway, connection_id, "MESSAGE", "$default")
        answer = self.post(door, "default", headers, json.dumps(frame).encode())
        found: dict[str, Any] | None = json.loads(answer) if answer else None
        return found if found and "_ws" in found else None

    def run(self, arbiter: subprocess.Popen[bytes]) -> None:
        """Let the clients live, then wait until each has read everything."""
        work = [threading.Thread(target=self._drive, args=[number]) for number in range(DRIVERS)]
        work += [threading.Thread(target=self._publish, args=[number]) for number in range(PUBLISHERS)]
        work += [threading.Thread(target=self._deploy, args=[arbiter]), threading.Thread(target=self._purge)]
        for thread in work:
            thread.start()
        for share in (0.1, 0.5, 1.0):
            time.sleep(max(0.0, self.ends - self.seconds * (1 - share) - time.monotonic()))
            self._measure(arbiter, share)
        for thread in work:
            thread.join()
        connection.close()  # the server was restarted since
        door, tops = Door(self.port), history.positions(CHANNELS)
        for client in self.clients:
            for _ in range(50):
                if client.connection_id and client.position == tops[client.channel]:
                    break
                if client.connection_id:
                    client.ask(door, "recover")
                else:
                    client._connect(door)
            else:
                client.faults.append(f"stays at {client.position}, not {tops[client.channel]}")

    def _drive(self, number: int) -> None:
        door, mine = Door(self.port), self.clients[number::DRIVERS]
        while time.monotonic() < self.ends:
            for client in mine:
                if client.due < time.monotonic() < self.ends:
                    client.live(door)
            time.sleep(0.02)

    def _publish(self, number: int) -> None:
        door, connection_id = Door(self.port), f"publisher{number}="
        chance = random.Random(f"{self.seed} publisher {number}")
        while not self.post(door, "connect", events.connect_headers(self.gateway, connection_id)):
            time.sleep(0.2)
        for turn in range(10**9):
            if time.monotonic() > self.ends:
                return
            key = f"{number}-{turn}"
            frame = {"handler": "place", "key": key, "channel": chance.choice(CHANNELS)}
            control = {"_ws": {"id": key, "client": f"publisher-{number}"}}
            # Again until there is an answer: the view handles the frame once.
            while self.frame(door, connection_id, frame | control) is None and time.monotonic() < self.ends:
                HAPPENED["published again"] += 1
                time.sleep(0.2)
            HAPPENED["published"] += 1
            time.sleep(chance.uniform(0, 0.2))

    def _deploy(self, arbiter: subprocess.Popen[bytes]) -> None:
        # None in the last third, so that the memory of workers with a past can be seen.
        while time.monotonic() < self.ends - self.seconds / 3:
            time.sleep(DEPLOY_SECONDS)
            arbiter.send_signal(signal.SIGHUP)
            HAPPENED["deploys"] += 1

    def _purge(self) -> None:
        while time.monotonic() < self.ends:
            try:
                purge(only=[Part.HISTORY])
                HAPPENED["purges"] += 1
            except Error:
                HAPPENED["purges that failed"] += 1
                connection.close()
            time.sleep(3)

    def _measure(self, arbiter: subprocess.Popen[bytes], share: float) -> None:
        workers = Path(f"/proc/{arbiter.pid}/task/{arbiter.pid}/children").read_text().split()
        kilobytes = []
        for worker in workers:
            status = Path(f"/proc/{worker}/status")
            # One that was replaced has ended, or is about to.
            resident = status.read_text().partition("VmRSS:")[2] if status.exists() else ""
            kilobytes += [int(resident.split()[0])] if resident else []
        self.rss.append((share, round(sum(kilobytes) / len(kilobytes) / 1024)))


def main(seconds: str, seed: str) -> None:
    """Soak, and print what happened."""
    call_command("migrate", verbosity=0)
    sink = Sockets()
    with tempfile.TemporaryDirectory() as folder, sink:
        soak = Soak(float(seconds), int(seed), sink)
        log = Path(folder) / "gunicorn.log"
        with gunicorn(soak.port, log) as arbiter:
            soak.ends = time.monotonic() + soak.seconds
            soak.run(arbiter)
    faults = [fault for client in soak.clients for fault in client.faults]
    told = {"faults": faults, "happened": HAPPENED, "rss_mb": soak.rss}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
