"""Files of failed recipients: JSON lines, one per connection, to which a later run can be limited."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from django.core.management.base import CommandError

from websocket_gateway.sending import Failure


@contextmanager
def failures_written_to(
    path: str | None, warn: Callable[[str], object]
) -> Iterator[Callable[[Failure], None] | None]:
    """Yield the function that writes a failure to the file at once; None without a file.

    The file is emptied first. Raise `CommandError` if it cannot be opened. If it cannot be written later, as
    on a full disk, sending goes on, and `warn` gets a line at the end that says what is missing.
    """
    if path is None:
        yield None
        return
    try:
        file = Path(path).open("wb", buffering=0)  # noqa: SIM115 - an error in closing it is not one of sending
    except OSError as exc:
        raise CommandError(f"{path} cannot be written: {exc.strerror or exc}.") from exc
    problem: OSError | None = None
    missing = 0

    def write(failure: Failure) -> None:
        nonlocal problem, missing
        line = json.dumps(asdict(failure), ensure_ascii=False).encode() + b"\n"
        try:
            written = file.write(line)
            if written < len(line):  # the disk has become full in the middle of the line
                file.truncate(file.tell() - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as exc:
            problem, missing = problem or exc, missing + 1

    try:
        yield write
    finally:
        with suppress(OSError):
            file.close()
        if problem is not None:
            why = problem.strerror or problem
            warn(f"{path} is not complete: {missing} failures are missing in it ({why}).")


def read_failures(path: str) -> tuple[str, ...]:
    """Return the connection ids in such a file. Raise `CommandError` naming a line without one."""
    found = []
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    found.append(_connection_id(line, f"{path}, line {number}"))
    except OSError as exc:
        raise CommandError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    return tuple(found)


def refuse_same_file(written: str | None, read: str | None) -> None:
    """Raise `CommandError` if both are one file: a crash would lose the list."""
    if written is not None and read is not None and Path(written).resolve() == Path(read).resolve():
        raise CommandError("--failures-to and --only-from must be two files.", returncode=2)


def _connection_id(line: bytes, place: str) -> str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    connection_id = value.get("connection_id") if isinstance(value, dict) else None
    if not isinstance(connection_id, str) or not connection_id:
        raise CommandError(
            f'{place}: not a JSON object with a "connection_id". --failures-to writes such files.'
        )
    return connection_id
