"""Runs a job in processes that kill themselves before their n-th step at the database.

A step is a statement or a COMMIT. So a process that dies before each of them in turn dies in every state that
the database can be left in.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection

KILLED = -signal.SIGKILL


class CutProcesses:
    """A process that has loaded Django, and forks for each job."""

    def __init__(self, module: str) -> None:
        """`module` has the jobs: functions that take texts, and return what can be written as JSON."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, module, json.dumps(getattr(settings, "WEBSOCKET_GATEWAY", {}))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"])},
        )
        self.pid = 0
        """The process that does the job."""

    def run(self, job: str, *texts: str, kill_before: int = 0) -> tuple[int, Any]:
        """Do a job; its exit status, `KILLED` if it was, and what it returned."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([kill_before, job, *texts]) + "\n")
        self._process.stdin.flush()
        self.pid = int(self._answer())
        result: tuple[int, Any] = tuple(self._answer())
        return result

    def run_cut_everywhere(self, job: str) -> Iterator[str]:
        """Kill the job before its first step, its second one, and so on; at last it is not killed.

        The job gets a text that is another one each time, which is yielded when it has ended.
        """
        for step in range(1, 1_000):
            status, _ = self.run(job, text := f"{job}-{step}", kill_before=step)
            yield text
            if status != KILLED:
                assert status == 0, f"{job} ended with {status} after {step - 1} steps"
                return

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def cut_processes(module: str) -> Iterator[CutProcesses]:
    """`CutProcesses` for the length of a `with` block."""
    running = CutProcesses(module)
    try:
        yield running
    finally:
        running.close()


def _count_steps(kill_before: int) -> None:
    """Die before that statement or COMMIT; 0: never."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if done == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)

    def execute(run: Any, *args: Any) -> Any:
        step()
        return run(*args)

    def commit(run: Any = connection._commit) -> None:  # type: ignore[attr-defined]
        step()
        run()

    connection.ensure_connection()
    connection.execute_wrappers.append(execute)
    connection._commit = commit  # type: ignore[attr-defined]


def _serve(module: str, options: str) -> None:
    import django

    settings.WEBSOCKET_GATEWAY = json.loads(options)
    django.setup()
    jobs = importlib.import_module(module)
    for line in sys.stdin:
        kill_before, job, *texts = json.loads(line)
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            _count_steps(kill_before)
            os.write(writable, json.dumps(getattr(jobs, job)(*texts)).encode())
            os._exit(0)
        os.close(writable)
        _tell(pid)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with os.fdopen(readable) as text:
            _tell([status, json.loads(text.read() or "null")])


def _tell(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    _serve(*sys.argv[1:])
