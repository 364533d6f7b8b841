"""A shell at a terminal, as a reader has it: lines are typed, and Ctrl-C reaches what runs there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 120
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """An interactive bash of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._ours, theirs = os.openpty()
        self._printed = ""
        self._typed = 0
        _without_echo(theirs)
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            cwd=folder,
            env=environment | {"PS1": "", "PS2": "", "DJANGO_COLORS": "nocolor", "TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.run("trap 'echo FAILED: $BASH_COMMAND' ERR")

    @property
    def printed(self) -> str:
        """What was printed since lines were typed here last, without colours."""
        return self._printed[self._typed :]

    def type(self, text: str) -> None:
        """Type lines, and do not wait."""
        self._typed = len(self._printed)
        os.write(self._ours, f"{text.rstrip()}\n".encode())

    def run(self, text: str) -> str:
        """Type lines, wait until they have ended, and return what they printed; fails where one fails."""
        self.type(f"{text.rstrip()}\necho ended-$?")
        self.wait_for("ended-")
        assert "FAILED:" not in self.printed, self.printed
        return self.printed

    def wait_for(self, words: str) -> None:
        """Wait until something is printed; `…` stands for anything within a line."""
        pattern = re.escape(words).replace("…", ".*")
        until = time.monotonic() + PATIENCE_SECONDS
        while not re.search(pattern, self.printed):
            assert time.monotonic() < until, f"no {words!r} in:\n{self._printed}"
            time.sleep(0.05)

    def press_ctrl_c(self) -> None:
        """End what runs in the foreground, and wait for the shell."""
        os.write(self._ours, b"\x03")
        os.write(self._ours, b"echo stopped-$?\n")
        self.wait_for("stopped-0")

    def close(self) -> None:
        """End all that was started here."""
        for group in self._groups():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._shell.wait()
        self._reader.join(timeout=10)
        os.close(self._ours)

    def _groups(self) -> set[int]:
        listed = subprocess.run(
            ["ps", "-o", "pgid=", "-s", str(self._shell.pid)], capture_output=True, text=True
        )
        return {int(line) for line in listed.stdout.split()}

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the terminal is closed
            while found := os.read(self._ours, 65_536):
                self._printed += _ESCAPES.sub("", found.decode(errors="replace"))


def _without_echo(terminal: int) -> None:
    attributes = termios.tcgetattr(terminal)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)


@contextmanager
def terminals(number: int, folder: Path, environment: dict[str, str]) -> Iterator[list[Terminal]]:
    """Some terminals in one directory."""
    opened: list[Terminal] = []
    try:
        for _ in range(number):
            opened.append(Terminal(folder, environment))
        yield opened
    finally:
        for terminal in opened:
            terminal.close()
