"""Servers of a benchmark as processes of their own, each on one core if it is asked for."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUNICORN = "--worker-class gthread --threads 4 --workers 1 --keep-alive 60 --backlog 2048"


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """The command on one core, where the machine has that core and `taskset`."""
    there = core is not None and core < (os.cpu_count() or 1) and shutil.which("taskset")
    return ["taskset", "-c", str(core), *command] if there else list(command)


@contextmanager
def server(
    command: Sequence[str], *, port: int, core: int | None = None, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server until the block ends; it must listen on `port` within a minute."""
    with tempfile.TemporaryFile("w+b") as log:
        process = subprocess.Popen(
            pinned(command, core),
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait_for(process, port, log.fileno())
            yield process
        finally:
            _end(process)


def gunicorn_command(python: str | Path, settings: str, port: int) -> list[str]:
    """gunicorn with one worker of four threads for the WSGI application of a settings module."""
    bind = ["--bind", f"127.0.0.1:{port}", f"{settings}:application"]
    return [str(python), "-m", "gunicorn", *GUNICORN.split(), *bind]


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """The processor time of a server and its workers so far (Linux): it does not depend on other load."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        if int(fields[3]) == process.pid:  # its session
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def told(command: Sequence[str], **environment: str) -> Iterator[str]:
    """The first line that a process prints; the process ends when its input does."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise SystemExit(f"{command} ended with status {child.wait()}")
        try:
            yield line
        finally:
            child.stdin.close()
            child.wait(timeout=60)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                os.lseek(log, 0, os.SEEK_SET)
                sys.stderr.write(os.read(log, 100_000).decode(errors="replace"))
                raise SystemExit(f"No server on port {port}: {process.args!r}") from None
            time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
