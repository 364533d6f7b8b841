"""Processes that open and close tabs of the same few users at the same time, for tests and benchmarks.

    python -m tests.support.tabs SECONDS

prints what a connection that stays in the channel was sent, and what failed, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from django.db import DatabaseError, connection

CHANNELS = {"room": {"PRESENCE": True}}
WATCHER = "watcher="
USERS = 5


def start(seconds: float, processes: int) -> list[subprocess.Popen[str]]:
    """Start them on the database of this process, which has `USERS` users, a gateway and the watcher."""
    name = str(connection.settings_dict["NAME"])
    return [
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "WEBSOCKET_GATEWAY_TEST_NAME": name},
        )
        for _ in range(processes)
    ]


def results(tabs: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """What they printed. Raises an `AssertionError` if one ended otherwise."""
    printed = [process.communicate(timeout=180)[0] for process in tabs]
    assert all(process.returncode == 0 for process in tabs), printed
    return [json.loads(text) for text in printed]


def faults(frames: list[dict[str, Any]]) -> tuple[int, int, int]:
    """The number of events, of those that are doubled or missing, and of members who never left."""
    events = [
        (event["v"], kind, event["id"])
        for frame in frames
        for kind in ("join", "leave")
        for event in frame["_ws"].get(kind, [])
    ]
    present: Counter[str] = Counter()
    wrong = 0
    for _, kind, member in sorted(events):
        wrong += present[member] != (kind == "leave")
        present[member] = int(kind == "join")
    return len(events), wrong, sum(present.values())


def main(seconds: float) -> None:
    import django
    from django.test import override_settings

    django.setup()
    from django.contrib.auth import get_user_model

    from tests.factories import WebSocketSessionFactory
    from websocket_gateway.connections.ending import end
    from websocket_gateway.models import ApiGateway
    from websocket_gateway.models.sessions import announce_move
    from websocket_gateway.testing import record_connections

    failed: Counter[str] = Counter()
    done = 0
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS}), record_connections() as sent:
        users = list(get_user_model().objects.order_by("pk")[:USERS])
        gateway = ApiGateway.objects.get()
        tabs: list[Any] = []
        over = time.monotonic() + seconds
        while time.monotonic() < over or tabs:
            try:
                if tabs and (time.monotonic() > over or len(tabs) > 1 or random.random() < 0.5):
                    end(tabs.pop(random.randrange(len(tabs))), reason="client")
                else:
                    tab = WebSocketSessionFactory.create(
                        connection_id=f"{os.getpid()}.{done}=",
                        api_gateway=gateway,
                        user=random.choice(users),
                        channel_name="room",
                    )
                    tabs.append(tab)
                    announce_move([tab], joined=["room"])
                done += 1
            except DatabaseError as exc:
                failed[type(exc).__name__ + ": " + str(exc)[:80]] += 1
    frames = sent.messages_to(WATCHER)
    sys.stdout.write(json.dumps({"done": done, "failed": failed, "frames": frames}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main(float(sys.argv[1]))
