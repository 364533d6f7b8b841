"""The child processes of the demo: start them, wait for them, end them with the demo."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0


class ChildError(Exception):
    """A child process ended, or did not become ready; the message holds the end of its output."""


def free_port(wanted: int) -> int:
    """Return `wanted` if the port is free, else any free port of this machine."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            # Like servers do: a port that was used recently counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ChildError("This machine has no free port.")


def listens(port: int) -> bool:
    """Return whether a server accepts connections on that port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def child_environment(gateway_url: str) -> dict[str, str]:
    """Return our environment with the URL of the local gateway, and without AWS keys and proxies."""
    names = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    return environment | {
        "SAMPLE_GATEWAY_URL": gateway_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }


def as_typed(*words: str, gateway_url: str = "") -> str:
    """Return the command to type in this folder, in a shell that has activated nothing.

    It has the URL of the gateway if that is not the default, and the database if one was set.
    """
    assignments = [f"SAMPLE_GATEWAY_URL={shlex.quote(gateway_url)}"] if gateway_url else []
    if "SAMPLE_DATABASE" in os.environ:
        assignments.append(f"SAMPLE_DATABASE={shlex.quote(os.environ['SAMPLE_DATABASE'])}")
    return " ".join(
        [*assignments, shlex.quote(_near(sys.executable)), shlex.quote(_near(MANAGE)), shlex.join(words)]
    )


def _near(path: str | Path) -> str:
    # A link is not followed: the interpreter of a virtual environment is one.
    near = os.path.relpath(path)
    return str(path) if near.startswith(os.pardir) else near


def run(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py to its end, its output captured."""
    return subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, str(MANAGE), *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


class Child:
    """A command of manage.py that runs until the `with` block ends."""

    def __init__(self, *words: str, environment: dict[str, str]) -> None:
        self._words = words
        self._environment = environment

    def __enter__(self) -> Child:
        self._output: IO[Any] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        # In a new session, so that Ctrl-C reaches only this process, which ends the children in order.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, str(MANAGE), *self._words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stop()
        finally:
            self._output.close()

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until it is ready. Raise `ChildError` if it ends or takes too long."""
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ChildError(self._says(f"was not ready after {_READY_SECONDS:.0f} s"))
            time.sleep(0.05)
        self.check()

    def check(self) -> None:
        """Raise `ChildError` if it has ended."""
        if self._process.poll() is not None:
            raise ChildError(self._says(f"ended with status {self._process.returncode}"))

    def _stop(self) -> None:
        """Terminate it, and kill it if it does not end in time or an exception interrupts the wait."""
        try:
            self._process.terminate()
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()
            self._process.wait()

    def _says(self, what: str) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()[-12:]
        return "\n".join([f"{self._words[0]} {what}. The end of its output:", *lines])
