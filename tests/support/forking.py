"""A process that sends, forks and sends again: `python -m tests.support.forking PROGRAM ARGUMENTS`.

Every process prints one JSON object a broadcast. A process of its own, because the test process has threads.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
CHILDREN = 4
ROUNDS = 3


def run(program: str, *arguments: str) -> list[dict[str, Any]]:
    """What the processes of a program printed; fails where one of them did, or where they do not end."""
    # Python 3.12 and later warn of every fork beside a thread, which is what is tried here. The others are of
    # the database connections that threads of the parent have open, which are Django's.
    ignored = (
        "ignore:This process:DeprecationWarning",
        "ignore:unclosed database:ResourceWarning",
        "ignore:<psycopg.Connection object:ResourceWarning",
    )
    warnings = [option for action in ("error", *ignored) for option in ("-W", action)]
    done = subprocess.run(
        [sys.executable, *warnings, "-m", __name__, program, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.returncode, done.stderr
    assert done.stderr == "", done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def environment() -> dict[str, str]:
    """That of a process which meets the database of this test."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"]),
    }


def send(channel: str, **options: Any) -> dict[str, Any]:
    """Send the channel's own name to it; what the report says."""
    from websocket_gateway.sending import SendOptions, broadcast

    engine = options.pop("engine", None)
    report = broadcast(channel, channel=channel, options=SendOptions(engine=engine), **options)
    return {
        "channel": channel,
        "pid": os.getpid(),
        "delivered": report.delivered,
        "gone": report.gone,
        "failed": report.failed,
        "reasons": dict(report.reasons),
    }


def say(**values: Any) -> None:
    """Print one line, in one piece."""
    os.write(1, json.dumps(values).encode() + b"\n")


def _send_rounds(number: int, engine: str | None = None) -> None:
    for turn in range(ROUNDS):
        say(**send(f"process{number}-{turn}", engine=engine))


def _start(how: str, work: Callable[[], None]) -> Callable[[], int]:
    """Begin `work` in a child; answers how to wait for its exit status."""
    if how == "multiprocessing":
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()

        def wait() -> int:
            process.join()
            return process.exitcode or 0

        return wait
    pid = ctypes.PyDLL(None).fork() if how == "in C" else os.fork()
    if pid == 0:
        _work_and_exit(work, at_once=how == "in C")
    return lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _work_and_exit(work: Callable[[], None], *, at_once: bool) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001 - the outermost frame of the process
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(70)
    if at_once:
        os._exit(0)
    sys.exit(0)  # as workers end: with everything that Python does at exit


def _in_children(how: str, engine: str | None = None) -> list[Callable[[], int]]:
    from django.db import connections

    connections.close_all()
    return [_start(how, lambda n=number: _send_rounds(n, engine)) for number in range(1, CHILDREN + 1)]  # type: ignore[misc]


def _finish(waits: list[Callable[[], int]]) -> None:
    statuses = [wait() for wait in waits]
    if any(statuses):
        sys.exit(f"the children ended with {statuses}")


def forks(how: str) -> None:
    """Send with warm sockets in the parent and four children at once."""
    say(**send("warm", engine="boto3"))
    waits = _in_children(how)
    _send_rounds(0)
    _finish(waits)


def engines(engine: str) -> None:
    """As `forks`, with one engine for all."""
    say(**send("warm", engine=engine))
    waits = _in_children("os.fork", engine)
    _send_rounds(0, engine)
    _finish(waits)


def while_sending(engine: str) -> None:
    """Fork while another thread is in the middle of a broadcast."""
    from django.db import connections

    begun = threading.Event()

    def send_and_close() -> None:
        say(**send("warm", engine=engine, on_progress=lambda report: begun.set()))
        connections.close_all()

    thread = threading.Thread(target=send_and_close)
    thread.start()
    begun.wait()
    waits = _in_children("os.fork", engine)
    thread.join()
    _send_rounds(0, engine)
    _finish(waits)


def during_the_first_call(first: str, delay: str) -> None:
    """Fork while another thread makes the first call to AWS of this process, which imports boto3."""
    from django.db import connections

    from websocket_gateway.aws.clients import management_client
    from websocket_gateway.aws.engines import needs_proxy

    url = "https://abc.execute-api.eu-west-1.amazonaws.com/production"

    def call() -> None:
        if first == "broadcast":
            needs_proxy(url)  # the first thing that a broadcast imports botocore for
        management_client("eu-west-1", url, attempts=1)

    def call_in_time() -> None:
        faulthandler.dump_traceback_later(20, exit=True)
        call()
        faulthandler.cancel_dump_traceback_later()

    connections.close_all()
    assert "botocore" not in sys.modules
    thread = threading.Thread(target=call)
    thread.start()
    while "botocore" not in sys.modules:
        time.sleep(0.0005)
    time.sleep(float(delay))
    wait = _start("os.fork", call_in_time)
    status = wait()
    thread.join()
    call()
    sys.exit(status)


def with_every_lock_held(how: str) -> None:
    """Fork while other threads hold what they can hold."""
    from websocket_gateway.aws import clients
    from websocket_gateway.models import ApiGateway
    from websocket_gateway.receiving.authentication import known_gateways

    say(**send("warm", engine="boto3"))
    gateway = ApiGateway.objects.get()
    client = clients.management_client("eu-west-1", _endpoint_url(gateway), attempts=1)
    (pool,) = client._endpoint.http_session._manager.pools._container.values()  # type: ignore[attr-defined]
    locks: list[Any] = [
        clients._lock(),
        known_gateways()._lock,
        *(rows._lock for rows in known_gateways()._places.values()),
        pool.pool.mutex,
    ]
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        for lock in locks:
            lock.acquire()
        held.set()
        release.wait()
        for lock in reversed(locks):
            lock.release()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def work() -> None:
        _send_rounds(1)
        say(found=known_gateways().find(gateway.api_id) is not None)

    from django.db import connections as databases

    databases.close_all()
    wait = _start(how, work)
    status = wait()
    release.set()
    thread.join()
    _send_rounds(0)
    sys.exit(status)


def _endpoint_url(gateway: Any) -> str:
    from websocket_gateway.connections.endpoints import endpoint_of

    return endpoint_of(gateway).url


def in_a_callback(engine: str) -> None:
    """Fork in the middle of a broadcast, from its own callback; the child goes on instead of ending there."""
    children: list[int] = []
    parent = os.getpid()

    def fork(report: Any) -> None:
        if not children:
            children.append(os.fork())

    try:
        sent = send("warm", engine=engine, on_progress=fork)
    except RuntimeError as exc:
        if os.getpid() == parent:
            raise
        say(child=str(exc))
        sys.exit(0)
    say(**sent)
    (pid,) = children
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def over_tls(url: str, child: str) -> None:
    """Post, fork, and post again over the same connection, after the child has ended."""
    from websocket_gateway.aws.connections import get_connections
    from websocket_gateway.aws.endpoints import ManagementEndpoint

    def post(name: str) -> None:
        get_connections().post(ManagementEndpoint(url, "eu-west-1"), name, b"hello")

    post("parent=")
    wait = _start("os.fork", lambda: post("child=") if child == "sends" else None)
    status = wait()
    post("parent=")
    sys.exit(status)


if __name__ == "__main__":
    import django

    django.setup()
    globals()[sys.argv[1]](*sys.argv[2:])
