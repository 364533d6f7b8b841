"""A worker that gets messages of one connection: `python -m tests.support.messages ID NUMBER LIMIT`.

It says `ready`, waits for a line, and prints how many of the messages were let through.
"""

from __future__ import annotations

import os
import sys

import django


def work(connection_id: str, number: int, limit: int) -> int:
    """Count so many messages, each with the row as it is then; how many were within the limit."""
    from websocket_gateway.connections.sessions import find_session, touch
    from websocket_gateway.receiving.message_limit import count_message

    let_through = 0
    for _ in range(number):
        session = find_session(connection_id)
        assert session is not None
        touch(session)
        let_through += count_message(session, limit)
    return let_through


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(f"{work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))}\n")
