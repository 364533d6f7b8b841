"""stdout and stderr that outlast their reader.

A command that changes AWS must not stop half-way because `head` has read enough, a disk is full, or the
terminal cannot show a letter.
"""

from __future__ import annotations

import codecs
import json
import os
import sys
from contextlib import suppress
from typing import Any, Final

_ESCAPED: Final = "websocket_gateway.escaped"


def _escape(exc: UnicodeError) -> tuple[str, int]:
    """`\\uXXXX`, which a person can look up, and which means the same in JSON."""
    if not isinstance(exc, UnicodeEncodeError):
        raise exc
    return json.dumps(exc.object[exc.start : exc.end])[1:-1], exc.end


codecs.register_error(_ESCAPED, _escape)


class SteadyStream:
    """Writes at once; after the first failure, nothing any more. `stream` may be None: it was closed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.problem: OSError | None = None
        """Why nothing is written any more."""

    def write(self, text: str) -> int:
        """Write and flush `text`; letters that the stream cannot hold are escaped."""
        if self._stream is not None and self.problem is None:
            try:
                self._write(text)
            except OSError as exc:
                self.problem = exc
        return len(text)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError as exc:
            self._stream.write(text.encode(exc.encoding, _ESCAPED).decode(exc.encoding))
        self._stream.flush()

    def flush(self) -> None:
        """Nothing is left to flush."""

    def isatty(self) -> bool:
        """Whether a person is looking."""
        return self._stream is not None and bool(self._stream.isatty())


def discard_rest() -> None:
    """Let Python's last flush of stdout and stderr go nowhere, where it would only fail once more."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            try:
                stream.flush()
            except OSError:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
