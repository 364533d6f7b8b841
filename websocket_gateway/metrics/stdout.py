"""EMF lines to standard output. No write waits, and no failure is raised."""

from __future__ import annotations

import os
import select
import stat
import sys
from contextlib import suppress
from typing import Final

from websocket_gateway.forking import PerProcess

_STDOUT: Final = 1
_STDERR: Final = 2


class StdoutOutput:
    """Standard output: a file, a terminal, or a pipe or socket to a log collector.

    A pipe is opened a second time, so that this description alone does not wait. A line is shorter than
    PIPE_BUF, so the lines of several workers do not mix (POSIX, write()).
    """

    def __init__(self) -> None:
        self._descriptors = PerProcess(_open_stdout, leave=_close)
        self._is_spared = False

    def spare_stdout(self) -> None:
        """Write to stderr from now on: stdout is for the report of a command."""
        self._is_spared = True

    def write(self, line: bytes) -> bool:
        """See `Output.write`."""
        if (sys.__stderr__ if self._is_spared else sys.__stdout__) is None:
            return False  # closed when the process began: its number may be that of a file or a socket now
        descriptor = _STDERR if self._is_spared else self._descriptors()
        try:
            if descriptor in (_STDOUT, _STDERR) and not select.select([], [descriptor], [], 0)[1]:
                return False
            written = os.write(descriptor, line)
            if written < len(line):  # a full disk: the cut line ends here, and is not written again
                os.write(descriptor, line[written:])
        except (OSError, ValueError):  # full, closed, or without a reader
            return False
        return True


def _open_stdout() -> int:
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(_STDOUT).st_mode):
            return os.open(f"/proc/self/fd/{_STDOUT}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return _STDOUT


def _close(descriptor: int) -> None:
    if descriptor != _STDOUT:
        with suppress(OSError):
            os.close(descriptor)
