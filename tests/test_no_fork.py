"""A fork waits for what other threads do with OpenSSL; threads that have been joined are gone."""

from __future__ import annotations

import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from tests.support import slowends
from tests.support.slowends import end_slowly, is_there
from websocket_gateway import no_fork as module
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.asyncio_loop import AsyncioEngine
from websocket_gateway.aws.engines.base import Limits, Recipient
from websocket_gateway.aws.engines.boto3_threads import Boto3Engine
from websocket_gateway.aws.engines.dialing import tls_context
from websocket_gateway.aws.errors import translated
from websocket_gateway.diagnostics.threads import run_calls
from websocket_gateway.no_fork import ThreadPool, join, no_fork

NOW = timezone.now()
ROOT = Path(__file__).resolve().parent.parent
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="lists the threads in /proc")


@pytest.fixture
def started() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Starts threads, and joins them at the end of the test."""
    threads: list[threading.Thread] = []

    def start(work: Callable[[], object]) -> threading.Thread:
        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        return threads[-1]

    yield start
    join(*threads)


def fork_and_wait() -> float:
    """Fork as `os.fork` does, but without a child: its hooks, in their order; the seconds that it waited."""
    begun = time.monotonic()
    no_fork.close()
    waited = time.monotonic() - begun
    no_fork.open()
    return waited


def test_a_fork_waits_for_a_call_to_aws_in_another_thread(
    started: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    calling, answered = threading.Event(), threading.Event()
    order: list[str] = []

    def call() -> None:
        with translated("PostToConnection"):
            calling.set()
            answered.wait(5)
            order.append("answered")

    started(call)
    calling.wait()

    def fork_then_say() -> None:
        fork_and_wait()
        order.append("forked")

    fork = started(fork_then_say)
    fork.join(0.1)
    assert order == []
    answered.set()
    fork.join(5)

    assert order == ["answered", "forked"]


def test_a_call_that_begins_during_a_fork_waits_for_it(
    started: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    inside = threading.Event()

    def call() -> None:
        with no_fork:
            inside.set()

    no_fork.close()
    started(call)
    assert not inside.wait(0.1)
    no_fork.open()

    assert inside.wait(5)


def test_a_fork_does_not_wait_for_ever_for_a_call_that_hangs(
    monkeypatch: pytest.MonkeyPatch, started: Callable[[Callable[[], object]], threading.Thread]
) -> None:
    monkeypatch.setattr(module, "_LONGEST_BLOCK_SECONDS", 0.05)
    calling, answered = threading.Event(), threading.Event()

    def call() -> None:
        with no_fork, no_fork:
            calling.set()
            answered.wait(5)

    started(call)
    calling.wait()
    waited = fork_and_wait()
    answered.set()

    assert 0.05 <= waited < 3


def test_a_fork_that_another_holds_up_for_ever_goes_on(
    monkeypatch: pytest.MonkeyPatch, started: Callable[[Callable[[], object]], threading.Thread]
) -> None:
    monkeypatch.setattr(module, "_LONGEST_BLOCK_SECONDS", 0.05)
    no_fork.close()
    started(fork_and_wait).join(5)
    no_fork.open()

    assert fork_and_wait() < 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_was_forked_in_a_block_can_enter_one() -> None:
    with no_fork:
        pid = os.fork()
        if pid == 0:
            with no_fork:
                os._exit(7)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


@linux
def test_a_fork_waits_for_a_thread_of_the_application_that_called_and_ends() -> None:
    ids: list[int] = []

    def call() -> None:
        with no_fork:
            ids.append(end_slowly())

    thread = threading.Thread(target=call)
    thread.start()
    while thread.is_alive():
        thread.join(0.001)
    waited = fork_and_wait()

    assert not is_there(ids[0])
    if sys.version_info < (3, 13):
        assert waited > slowends.SECONDS / 2  # where it failed, `join` of Python would wait too


@linux
def test_a_fork_does_not_wait_for_a_thread_that_goes_on(
    started: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    called, end = threading.Event(), threading.Event()

    def call() -> None:
        with no_fork:
            called.set()
        end.wait(5)

    started(call)
    called.wait()
    waited = fork_and_wait()
    end.set()

    assert waited < 0.2


def test_threads_that_ended_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MANY_THREADS", 3)

    mine: list[int] = []

    def call(at_once: threading.Barrier) -> None:
        with no_fork:
            mine.append(threading.get_native_id())
        at_once.wait(5)

    for side_by_side in (12, 12, 1):
        at_once = threading.Barrier(side_by_side)
        threads = [threading.Thread(target=call, args=(at_once,)) for _ in range(side_by_side)]
        for thread in threads:
            thread.start()
        join(*threads)

    assert len(set(mine) & set(no_fork._seen().values())) <= 3


@linux
def test_a_joined_thread_is_gone() -> None:
    ids: list[int] = []
    thread = threading.Thread(target=lambda: ids.append(end_slowly()))
    thread.start()
    join(thread)

    assert not is_there(ids[0])


@linux
def test_the_threads_of_a_pool_are_gone_at_its_end() -> None:
    with ThreadPool(4, "pool") as pool:
        ids = set(pool.map(lambda _number: end_slowly(), range(8)))

    assert not any(map(is_there, ids))


@linux
def test_the_threads_of_probes_are_gone() -> None:
    answers = run_calls({"one": end_slowly, "two": end_slowly}, deadline=time.monotonic() + 5)

    assert len(answers) == 2
    assert not any(map(is_there, answers.values()))


class _Ends:
    """`Connections` whose threads end slowly."""

    def __init__(self) -> None:
        self.ids: set[int] = set()

    def post(self, endpoint: ManagementEndpoint, connection_id: str, data: bytes) -> None:
        self.ids.add(end_slowly())


@linux
def test_the_threads_of_a_broadcast_through_boto3_are_gone_at_its_end() -> None:
    connections = _Ends()
    limits = Limits(concurrency=4, max_per_second=0, timeout_seconds=5, deadline_seconds=5)
    engine = Boto3Engine(connections=connections, limits=limits)  # type: ignore[arg-type]
    recipients = [
        Recipient(ManagementEndpoint("http://localhost/x", "eu-west-1"), f"{n}=", NOW) for n in range(9)
    ]
    outcomes = [*engine.send(recipients, b"x"), *engine.drain(), *engine.stop()]

    assert len(outcomes) == 9
    assert connections.ids
    assert not any(map(is_there, connections.ids))


@linux
def test_the_thread_of_a_broadcast_through_asyncio_is_gone_at_its_end() -> None:
    ids: list[int] = []
    limits = Limits(concurrency=4, max_per_second=0, timeout_seconds=5, deadline_seconds=5)
    engine = AsyncioEngine(limits=limits, ca_bundle="", credentials=lambda: pytest.fail("not called"))
    engine._loop.call_soon_threadsafe(lambda: ids.append(end_slowly()))
    assert list(engine.stop()) == []

    assert not is_there(ids[0])


def test_a_tls_context_is_made_in_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []

    def make(**kwargs: str) -> None:
        made.append(threading.get_ident() in no_fork._inside())

    monkeypatch.setattr(ssl, "create_default_context", make)
    tls_context("nowhere.pem")
    tls_context.cache_clear()

    assert made == [True]


def test_every_pool_of_threads_is_one_that_waits_for_them() -> None:
    modules = (ROOT / "websocket_gateway").rglob("*.py")

    assert [path.name for path in modules if "ThreadPoolExecutor" in _code(path)] == ["no_fork.py"]


def _code(path: Path) -> str:
    """A module's imports: prose may name what is not used."""
    return "\n".join(line for line in path.read_text().splitlines() if "import " in line)
