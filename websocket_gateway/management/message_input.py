"""Read the message of a command from an argument, an option, a file, or stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from django.core.management.base import CommandError

from websocket_gateway.frames import MAX_MESSAGE_BYTES, parse_json

NOT_GIVEN: Final = object()
"""The default of a message argument. It is not `None`, which is the JSON document `null`."""

# Enough for a document with much white space; the size of the message itself is checked later.
_READ_LIMIT_BYTES = 32 * MAX_MESSAGE_BYTES


def read_message(
    *, argument: object = NOT_GIVEN, option: object = NOT_GIVEN, file: str | None = None
) -> object:
    """Return the message that was given, as JSON values. Without one, read stdin.

    Raise `CommandError`, with return code 2 if several messages or none were given.
    """
    given = [value for value in (argument, option) if value is not NOT_GIVEN]
    if len(given) + (file is not None) > 1:
        raise CommandError("Give one message: as an argument, by --message, or by --file.", returncode=2)
    if given:
        return given[0]
    if file is not None and file != "-":
        return _parsed(_read_file(Path(file)), file)
    return _parsed(_read_stdin(), "stdin")


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_READ_LIMIT_BYTES + 1)
    except OSError as exc:
        raise CommandError(f"{path} cannot be read: {exc.strerror or exc}.") from exc


def _read_stdin() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise CommandError(
            "No message was given. Write it as the last argument, or use --message, --file or a pipe.",
            returncode=2,
        )
    return sys.stdin.buffer.read(_READ_LIMIT_BYTES + 1)


def _parsed(data: bytes, source: str) -> object:
    if len(data) > _READ_LIMIT_BYTES:
        raise CommandError(f"{source}: this is far more than the {MAX_MESSAGE_BYTES:,} bytes of a message.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise CommandError(f"{source}: byte {exc.start + 1} is not valid UTF-8.") from exc
    if not text.strip():
        raise CommandError(f"{source}: it is empty, there is no message.")
    try:
        return parse_json(text)
    except ValueError as exc:
        raise CommandError(f"{source}: {exc}") from exc
