"""Threads that do one deed with each job; Ctrl-C may strike at any moment and leaves no lock held."""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Crew(Generic[Job]):
    """At most `most` threads, started as they are needed; `deed` is called with each job that is put.

    No `ThreadPoolExecutor`, and no `Thread`: their locks are taken in Python, so that a `KeyboardInterrupt`
    in the wrong place leaves one held, and everybody waits for ever. Here every hand-over is one call in C.
    Only the thread that made it may call its methods.
    """

    def __init__(self, deed: Callable[[Job], None], *, most: int) -> None:
        self._deed = deed
        self._most = most
        self._jobs: SimpleQueue[tuple[Job] | None] = SimpleQueue()
        # What wakes is not what carries: Ctrl-C may swallow what a `get` returns.
        self._done: deque[tuple[Job, BaseException | None]] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._under_way = 0
        self._size = 0

    def put(self, job: Job) -> None:
        """Have the job done by whichever thread is free first."""
        self._jobs.put((job,))
        self._under_way += 1
        if self._size < min(self._most, self._under_way):
            _thread.start_new_thread(self._work, ())
            self._size += 1

    def take(self, block_seconds: float | None) -> tuple[Job, BaseException | None]:
        """A job that was done, and what its deed raised; raises `Empty` after so many seconds, or at once."""
        while not self._done:
            self._wake.get(block_seconds is not None, block_seconds)
        self._under_way -= 1
        return self._done.popleft()

    def stop(self) -> list[Job]:
        """Begin no further job, and wait for those under way; returns those that were not begun."""
        left = []
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is not None:
                left.append(job[0])
        # One more than are counted: a signal may have struck between a thread's start and its being counted.
        for _number in range(self._size + 1):
            self._jobs.put(None)
        while self._size:
            self._ended.get()
            self._size -= 1
        return left

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._deed(job[0])
            except BaseException as exc:  # noqa: BLE001 - told to the thread that takes
                self._done.append((job[0], exc))
            else:
                self._done.append((job[0], None))
            self._wake.put(None)
        self._ended.put(None)
