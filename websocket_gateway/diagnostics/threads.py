"""Calls in daemon threads, with a deadline for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from typing import TypeVar

from websocket_gateway.no_fork import join
from websocket_gateway.tenants import for_another_thread

T = TypeVar("T")

_SIDE_BY_SIDE = 16


class _Worker(threading.Thread):
    """Runs calls one after the other, until none is left to start."""

    def __init__(self, calls: SimpleQueue[Callable[[], None]]) -> None:
        super().__init__(name="websocket-gateway-probe", daemon=True)
        self._calls = calls

    def run(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            call()


def run_calls(calls: Mapping[str, Callable[[], T]], *, deadline: float) -> dict[str, T]:
    """The results of `calls`, by name; without those that had none at `deadline` (monotonic).

    A call that hangs keeps its thread; one that has not started is dropped. Raises what a call raised.
    """
    futures: dict[str, Future[T]] = {name: Future() for name in calls}
    queued: SimpleQueue[Callable[[], None]] = SimpleQueue()
    for name, future in futures.items():
        queued.put(_bind(future, for_another_thread(calls[name])))
    workers = [_Worker(queued) for _ in range(min(len(calls), _SIDE_BY_SIDE))]
    for worker in workers:
        worker.start()
    _done, late = wait(futures.values(), timeout=max(0.0, deadline - time.monotonic()))
    for future in late:
        future.cancel()
    if not late:
        join(*workers)
    return {name: future.result() for name, future in futures.items() if future not in late}


def is_any_running() -> bool:
    """Whether a thread still runs a call, so that a normal exit of the interpreter could hang."""
    return any(isinstance(thread, _Worker) for thread in threading.enumerate())


def _bind(future: Future[T], call: Callable[[], T]) -> Callable[[], None]:
    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except BaseException as exc:  # noqa: BLE001 - raised again where the result is read
            future.set_exception(exc)
        else:
            future.set_result(result)

    return run
