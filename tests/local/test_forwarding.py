"""The HTTP client towards the backend: reuse, staleness, never twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from tests.local.backend import Backend, Reply
from websocket_gateway.local.forwarding import BackendError, BackendTimeoutError, Forwarder
from websocket_gateway.local.mapping import BackendRequest


def request_to(backend: Backend, path: str = "/x", timeout: float = 2.0) -> BackendRequest:
    return BackendRequest(
        method="POST",
        scheme="http",
        host="127.0.0.1",
        port=backend.port,
        target=path,
        headers=(("Host", "x"), ("Content-Length", "2")),
        body=b"hi",
        timeout=timeout,
    )


T = TypeVar("T")


def run(work: Callable[[Forwarder], Awaitable[T]], **options: Any) -> T:
    """Do something with a forwarder and close it."""

    async def main() -> T:
        forwarder = Forwarder(**options)
        try:
            return await work(forwarder)
        finally:
            forwarder.close()
            await asyncio.sleep(0)

    return asyncio.run(main())


def test_a_connection_is_used_again(backend: Backend) -> None:
    async def work(forwarder: Forwarder) -> None:
        for _ in range(5):
            answer = await forwarder.forward(request_to(backend))
            assert (answer.status, answer.body) == (200, b"hi")

    run(work)

    assert (len(backend.requests), backend.connections) == (5, 1)


def test_a_connection_the_backend_closed_is_not_used_again(backend: Backend) -> None:
    backend.answer = lambda request: Reply(body=request.body, close=True)

    async def work(forwarder: Forwarder) -> None:
        for _ in range(20):
            assert (await forwarder.forward(request_to(backend))).body == b"hi"
            time.sleep(0.01)  # the loop cannot see the end of the connection, the socket can

    run(work)

    assert (len(backend.requests), backend.connections) == (20, 20)


def test_an_old_connection_is_not_used_again(backend: Backend) -> None:
    async def work(forwarder: Forwarder) -> None:
        await forwarder.forward(request_to(backend))
        await asyncio.sleep(0.1)
        await forwarder.forward(request_to(backend))
        await asyncio.sleep(0.1)
        forwarder.sweep()

    run(work, keep_alive=0.05)

    assert backend.connections == 2


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", id="cut short"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", id="chunks cut short"
        ),
        pytest.param(b"SSH-2.0-x\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="upgrade"),
    ],
)
def test_a_broken_answer_is_an_error_and_nothing_is_sent_again(backend: Backend, raw: bytes) -> None:
    backend.answer = lambda request: Reply(raw=raw)

    async def work(forwarder: Forwarder) -> None:
        with pytest.raises(BackendError):
            await forwarder.forward(request_to(backend))

    run(work)

    assert len(backend.requests) == 1


def test_too_late_is_a_timeout(backend: Backend) -> None:
    backend.answer = lambda request: Reply(delay=1.0)

    async def work(forwarder: Forwarder) -> None:
        with pytest.raises(BackendTimeoutError, match=r"within 0\.1 s"):
            await forwarder.forward(request_to(backend, timeout=0.1))

    run(work)


def test_a_hundred_continue_is_skipped(backend: Backend) -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"
    backend.answer = lambda request: Reply(raw=raw)

    async def work(forwarder: Forwarder) -> None:
        answer = await forwarder.forward(request_to(backend))
        assert (answer.status, answer.header("x-a"), answer.body) == (204, "1", b"")

    run(work)


def test_bytes_nobody_asked_for_end_the_connection(backend: Backend) -> None:
    late = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    backend.answer = lambda request: Reply(body=b"ok")

    async def work(forwarder: Forwarder) -> None:
        await forwarder.forward(request_to(backend))
        for connection in list(backend.open_sockets):
            connection.sendall(late)
        time.sleep(0.05)
        assert (await forwarder.forward(request_to(backend))).body == b"ok"

    run(work)

    assert backend.connections == 2


@pytest.mark.parametrize("host", ["", "x" * 70, "..", "no-such-host.invalid"])
def test_a_host_that_is_none_is_an_error(backend: Backend, host: str) -> None:
    import dataclasses

    async def work(forwarder: Forwarder) -> None:
        with pytest.raises(BackendError):
            await forwarder.forward(dataclasses.replace(request_to(backend), host=host, port=1))

    run(work)


def test_serialized_requests_come_one_at_a_time(backend: Backend) -> None:
    present: list[int] = []
    busy = 0

    def answer(request: object) -> Reply:
        nonlocal busy
        busy += 1
        present.append(busy)
        time.sleep(0.01)
        busy -= 1
        return Reply()

    backend.answer = answer

    async def work(forwarder: Forwarder) -> None:
        await asyncio.gather(*(forwarder.forward(request_to(backend)) for _ in range(10)))

    run(work, serialize=True)

    assert present == [1] * 10
    assert backend.connections == 10


def test_many_slow_handlers_do_not_hold_up_others(backend: Backend) -> None:
    backend.answer = lambda request: Reply(delay=4.0 if request.target == "/slow" else 0)

    async def work(forwarder: Forwarder) -> int:
        slow = [asyncio.create_task(forwarder.forward(request_to(backend, "/slow", 20))) for _ in range(64)]
        while len(backend.at("/slow")) < 64:
            await asyncio.sleep(0.01)
        await forwarder.forward(request_to(backend, "/fast", 20))
        waiting = sum(not task.done() for task in slow)
        await asyncio.gather(*slow)
        return waiting

    assert run(work) > 0
