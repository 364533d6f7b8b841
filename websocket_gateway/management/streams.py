"""Output streams that do not fail.

A command that changes AWS must not stop half-way because `head` has read enough, a disk is full, or the
terminal cannot encode a character.
"""

from __future__ import annotations

import codecs
import json
import os
import sys
from contextlib import suppress
from typing import Final, TextIO

_ESCAPED: Final = "websocket_gateway.escaped"


def _escape(exc: UnicodeError) -> tuple[str, int]:
    """Write `\\uXXXX`, which is readable and has the same meaning in JSON."""
    if not isinstance(exc, UnicodeEncodeError):
        raise exc
    return json.dumps(exc.object[exc.start : exc.end])[1:-1], exc.end


codecs.register_error(_ESCAPED, _escape)


class SteadyStream:
    """Writes at once, and stops writing after the first failure. `stream` is None if it was closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.problem: OSError | None = None
        """The failure after which it stopped writing."""

    def write(self, text: str) -> int:
        """Write and flush `text`; characters that the stream cannot encode are escaped."""
        if self._stream is not None and self.problem is None:
            try:
                _write(self._stream, text)
            except OSError as exc:
                self.problem = exc
        return len(text)

    def flush(self) -> None:
        """Do nothing: `write` flushes."""

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream is not None and bool(self._stream.isatty())


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError as exc:
        stream.write(text.encode(exc.encoding, _ESCAPED).decode(exc.encoding))
    stream.flush()


def discard_rest() -> None:
    """Redirect a broken stdout or stderr to nowhere, so that Python's flush at exit does not fail again."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            try:
                stream.flush()
            except OSError:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
