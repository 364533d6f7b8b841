"""A message to all sockets of a channel: how long until the last one has it; ours and Channels on loopback.

Run it with `python -m tests.benchmarks.loopback [--sockets N] [--messages N] [--ours]`; needs Redis on
loopback. Ours: `broadcast()`, one signed post for each socket, to the local gateway, which writes the frames.
The local gateway is a development tool in Python; API Gateway has other limits, and is elsewhere. Channels:
`group_send()` through Redis to one daphne, which writes the frames. The clients are in this process, messages
are sent one after the other, and the two take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from subprocess import Popen
from typing import NamedTuple

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.project")
django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from tests.benchmarks.chat_server import chat_server  # noqa: E402
from tests.benchmarks.gateways import AWS, ORIGIN, gateway_to  # noqa: E402
from tests.benchmarks.processes import cpu_seconds  # noqa: E402
from tests.benchmarks.results import record, say  # noqa: E402
from tests.benchmarks.serving import our_server, prepare_database  # noqa: E402
from tests.benchmarks.sockets import Socket, open_sockets  # noqa: E402
from tests.support.served import free_port  # noqa: E402
from websocket_gateway.local.command_line import raise_file_limit  # noqa: E402
from websocket_gateway.sending import broadcast  # noqa: E402

TEXT = "x" * 186
OURS, THEIRS = "broadcast(), local gateway", "group_send(), Redis, daphne"


class Side(NamedTuple):
    """Open sockets, how to send to all of them, and the process that writes their frames."""

    sockets: list[Socket]
    send: Callable[[], object]
    process: Popen[bytes]


class Sent(NamedTuple):
    """One message: seconds."""

    last: float
    writer_cpu: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--ours", action="store_true", help="without Channels")
    options = parser.parse_args()
    raise_file_limit()
    os.environ |= AWS
    databases = setup_databases(verbosity=0, interactive=False)
    prepare_database()
    try:
        with ExitStack() as stack:
            found = asyncio.run(measure(stack, options.sockets, options.messages, ours_alone=options.ours))
        tell(found, options.sockets)
    finally:
        teardown_databases(databases, verbosity=0)
    return 0


async def measure(stack: ExitStack, number: int, messages: int, *, ours_alone: bool) -> dict[str, list[Sent]]:
    """Messages of both sides in turns."""
    sides = {OURS: await our_side(stack, number)}
    if not ours_alone:
        sides[THEIRS] = await their_side(stack, number)
    found: dict[str, list[Sent]] = {name: [] for name in sides}
    for side in sides.values():
        await reach(side)  # opens connections
    for _ in range(messages):
        for name, side in sides.items():
            found[name].append(await reach(side))
    return found


async def our_side(stack: ExitStack, number: int) -> Side:
    """Sockets of the channel `lobby`, and `broadcast()` in a thread of this process."""
    port = free_port()
    stack.enter_context(our_server(port))
    _, url, gateway = await asyncio.to_thread(stack.enter_context, gateway_to(port))
    sockets = await open_sockets(f"{url}?channel=lobby", number, Origin=ORIGIN)

    def send() -> None:
        report = broadcast({"text": TEXT}, channel="lobby")
        assert report.delivered == number, report

    return Side(sockets, send, gateway)


async def their_side(stack: ExitStack, number: int) -> Side:
    """Sockets in the group `lobby`, and `group_send()` in a process of its own."""
    chat = await asyncio.to_thread(stack.enter_context, chat_server())
    sockets = await open_sockets(f"{chat.url}/chat/", number, Origin=ORIGIN, Cookie=chat.cookie)
    return Side(sockets, lambda: chat.send(f'{{"text": "{TEXT}"}}'), chat.process)


async def reach(side: Side) -> Sent:
    """Send once, and wait for every socket."""
    last: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    missing = len(side.sockets)

    def arrived(text: bytes) -> None:
        nonlocal missing
        missing -= 1
        if TEXT.encode() not in text and not last.done():
            last.set_exception(RuntimeError(f"instead of the message: {text!r}"))
        if not missing and not last.done():
            last.set_result(time.perf_counter())

    for socket in side.sockets:
        socket.on_text = arrived
    writer = cpu_seconds(side.process)
    begun = time.perf_counter()
    sending = asyncio.get_running_loop().run_in_executor(None, side.send)
    await asyncio.wait_for(sending, 60)
    ended = await asyncio.wait_for(last, 60)
    return Sent(ended - begun, cpu_seconds(side.process) - writer)


def tell(found: dict[str, list[Sent]], number: int) -> None:
    """Print the medians, and the ratio."""
    say(f"{connection.vendor}, {number} sockets, {len(TEXT) + 12} bytes a message")
    ours = statistics.median(sent.last for sent in found[OURS])
    for name, sents in found.items():
        last = statistics.median(sent.last for sent in sents)
        late = sorted(sent.last for sent in sents)[int(len(sents) * 0.95)]
        cpu = statistics.fmean(sent.writer_cpu for sent in sents) / number
        figure = (
            f"last of {number} after {last * 1e3:.0f} ms (p95 {late * 1e3:.0f} ms); "
            f"{cpu * 1e6:.0f} µs of CPU a frame"
        )
        record(name, figure, "" if name == OURS else f"ours takes {ours / last:.1f} times its time")


if __name__ == "__main__":
    sys.exit(main())
