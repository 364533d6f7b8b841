"""What must not be under way in another thread while this process forks, because its locks cannot be renewed.

The child inherits them as they are: that of a module which is being imported, and those inside OpenSSL. A
fork waits until no thread is in a block `with no_fork:`, and until threads that were in one and end are gone.

A thread ends later than it seems. After its last line of Python, and before Python 3.13 after `join()` has
returned too, `OPENSSL_thread_stop` takes a lock that all threads share. Therefore `join` and `ThreadPool`.

Where uWSGI forks in C, without hooks, a worker inherits the locks of a thread that is in such a block at that
moment. This package cannot prevent that.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import BuiltinFunctionType
from typing import ParamSpec, TypeVar

from websocket_gateway.forking import PerProcess
from websocket_gateway.tenants import for_another_thread

P = ParamSpec("P")
T = TypeVar("T")

# A fork that waits in vain goes on: for a call that hangs, or a thread of C that idles between two requests.
_LONGEST_BLOCK_SECONDS = 10.0
_LONGEST_END_SECONDS = 0.5
_POLL_SECONDS = 0.0005
_MANY_THREADS = 256


def has_green_threads() -> bool:
    """Whether gevent or eventlet took the place of threads: all threads of this process are one."""
    return not isinstance(_thread.start_new_thread, BuiltinFunctionType)


def wait_until_gone(native_ids: Iterable[int], *, seconds: float = 10.0) -> None:
    """Wait, so many seconds at most, until threads that have done their work have left the process.

    Linux lists the threads of a process; elsewhere this returns at once.
    """
    deadline = time.monotonic() + seconds
    left = set(native_ids) - {threading.get_native_id()}  # under gevent all have the same
    while left := {number for number in left if os.path.exists(f"/proc/self/task/{number}")}:
        if time.monotonic() > deadline:
            return
        time.sleep(_POLL_SECONDS)


def join(*threads: threading.Thread) -> None:
    """Join threads that were started, and wait until they are gone."""
    for thread in threads:
        thread.join()
    wait_until_gone(thread.native_id for thread in threads if thread.native_id)


class ThreadPool(ThreadPoolExecutor):
    """A `ThreadPoolExecutor` whose threads are gone when it has shut down."""

    def __init__(self, most: int, name: str) -> None:
        self._native_ids: list[int] = []
        super().__init__(most, name, initializer=lambda: self._native_ids.append(threading.get_native_id()))

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As that of `ThreadPoolExecutor`, with the context variables and the tenant of the caller."""
        return super().submit(for_another_thread(fn), *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As that of `ThreadPoolExecutor`."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            wait_until_gone(self._native_ids)


class _NoFork:
    """See `no_fork`."""

    def __init__(self) -> None:
        self._door = PerProcess(threading.RLock)
        # How deep each thread is in such blocks, by its identifier.
        self._inside: PerProcess[dict[int, int]] = PerProcess(dict)
        # The native ids of threads that were in one. An identifier is given again when its thread is gone.
        self._seen: PerProcess[dict[int, int]] = PerProcess(dict)

    def __enter__(self) -> None:
        inside, me = self._inside(), threading.get_ident()
        if me in inside:
            inside[me] += 1
            return
        with self._door():
            inside[me] = 1
        self._remember(me)

    def __exit__(self, *args: object) -> None:
        inside, me = self._inside(), threading.get_ident()
        if inside.get(me, 0) > 1:
            inside[me] -= 1
        else:
            inside.pop(me, None)  # it is not there where the block forked this process

    def close(self) -> None:
        """Let no thread enter a block, and wait for those that are in one or about to end."""
        deadline = time.monotonic() + _LONGEST_BLOCK_SECONDS
        self._door().acquire(timeout=_LONGEST_BLOCK_SECONDS)
        while set(self._inside()) - {threading.get_ident()} and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._forget_ended()

    def open(self) -> None:
        """Let threads enter again."""
        with suppress(RuntimeError):  # it was not closed in time
            self._door().release()

    def _remember(self, me: int) -> None:
        seen, native_id = self._seen(), threading.get_native_id()
        if seen.get(me) == native_id or has_green_threads():
            return
        if len(seen) >= _MANY_THREADS:
            self._forget_ended()
        seen[me] = native_id

    def _forget_ended(self) -> None:
        """A thread without a Python frame is about to end, or has ended."""
        seen, running = self._seen(), sys._current_frames()
        ended = {me: native_id for me, native_id in list(seen.items()) if me not in running}
        wait_until_gone(ended.values(), seconds=_LONGEST_END_SECONDS)
        for me, native_id in ended.items():
            if seen.get(me) == native_id:  # else a new thread has the identifier
                del seen[me]


no_fork = _NoFork()
"""`with no_fork:` around imports and the use of OpenSSL: a fork in another thread waits for the block's end.

Blocks may be nested. Enter one before any lock: a thread waits here while another forks, which waits for a
third that is inside and may want that lock.
"""

if sys.platform != "win32":
    os.register_at_fork(before=no_fork.close, after_in_parent=no_fork.open)
