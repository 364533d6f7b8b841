"""Processes that publish to, acknowledge and forget the inboxes of the same users, for a test.

    python -m tests.support.acks KIND NUMBER PROCESSES

Each process works NUMBER times, and prints what it saw as JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import subprocess
import sys
from collections import Counter
from typing import Any

USERS = 3
CHANNELS = {"user_*": {"HISTORY_MESSAGES": 100_000, "ACKS": True}}


def start(kind: str, number: int, processes: int) -> subprocess.Popen[str]:
    """Start the processes on the database of this process."""
    command = [sys.executable, "-m", "tests.support.acks", kind, str(number), str(processes)]
    return subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True)


def results(processes: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What each of them saw."""
    out, _ = processes.communicate(timeout=300)
    assert processes.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


def _environment() -> dict[str, str]:
    from django.db import connection

    name = str(connection.settings_dict["NAME"])
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "WEBSOCKET_GATEWAY_TEST_NAME": name}


def _work(kind: str, number: int, place: int) -> None:
    import django
    from django.conf import settings
    from django.db import DatabaseError

    settings.WEBSOCKET_GATEWAY = {"CHANNELS": CHANNELS}
    django.setup()
    from django.contrib.auth import get_user_model

    from websocket_gateway.channels import history, inbox
    from websocket_gateway.channels.cursors import move_cursor
    from websocket_gateway.channels.heads import read_heads
    from websocket_gateway.sending import broadcast

    random.seed(place)
    users = list(get_user_model()._default_manager.order_by("pk")[:USERS])
    seen: dict[str, list[int]] = {}
    published, failed, wrong = 0, Counter[str](), 0
    for _ in range(number):
        user = random.choice(users)
        name = inbox.channel(user)
        try:
            if kind != "ack" and random.random() < 0.5:
                broadcast({"n": 1}, user=user, inbox=True)
                published += 1
            head = read_heads([name], readers=[user.pk])[name]
            wrong += head.unread != head.last_offset - head.acked or head.acked > head.last_offset
            if kind == "forget" and random.random() < 0.1:
                history.forget(name)
            elif head.last_offset:
                # Old frames overtake new ones.
                move_cursor(user.pk, name, head, random.randint(1, head.last_offset))
            if kind != "forget":
                seen.setdefault(name, []).append(read_heads([name], readers=[user.pk])[name].acked)
        except DatabaseError as exc:
            failed[type(exc).__name__] += 1
    backwards = sum(some != sorted(some) for some in seen.values())
    saw = {"published": published, "failed": failed, "wrong": wrong, "backwards": backwards}
    sys.stdout.write(json.dumps(saw) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Work in PROCESSES processes."""
    kind, number, processes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    workers = [
        multiprocessing.Process(target=_work, args=(kind, number, place)) for place in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.exit(max(worker.exitcode or 0 for worker in workers))


if __name__ == "__main__":
    main()
