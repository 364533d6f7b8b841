"""The base of every command: errors as one line with exit status 1, questions, formats, streams.

A command that changes AWS must not stop half-way because `head` has read enough, a disk is full, or the
terminal cannot encode a character. So it writes to streams that do not fail.
"""

from __future__ import annotations

import codecs
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn, TextIO

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError
from django.db import Error as AnyDatabaseError

from websocket_gateway import metrics
from websocket_gateway.database_errors import is_busy
from websocket_gateway.exceptions import ConfigurationError, GatewayNotFoundError, WebSocketGatewayError

_ESCAPED: Final = "websocket_gateway.escaped"
_USAGE_STATUS: Final = 2
_INTERRUPTED_STATUS: Final = 130
_END_SIGNALS: Final = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
)
_UNKNOWN_COLUMN: Final = 1054  # MariaDB's; it counts among the operational errors


class EndSignal(KeyboardInterrupt):
    """The process was asked to end: by `docker stop`, ECS, systemd, or a terminal that was closed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number
        """The exit status, as of a process that the signal ended."""


def status_of(interrupt: KeyboardInterrupt) -> int:
    """The exit status after an interrupt: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return interrupt.status if isinstance(interrupt, EndSignal) else _INTERRUPTED_STATUS


@contextmanager
def interrupted_by(numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Raise `EndSignal` at these signals, unless the process has its own handler for one, or ignores it."""

    def interrupt(number: int, frame: object) -> NoReturn:
        raise EndSignal(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is interrupt:
                signal.signal(number, signal.SIG_DFL)


class GatewayCommand(BaseCommand):
    """A command that reports failures in one line, without a traceback."""

    requires_system_checks: list[str] = []
    interrupted = "Interrupted."
    """Printed after Ctrl-C."""
    ends_like_ctrl_c = True
    """Whether SIGTERM and SIGHUP are treated like Ctrl-C, except for the exit status."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None, **options: bool) -> None:
        self._steady = SteadyStream(sys.stdout)
        super().__init__(stdout or self._steady, stderr or SteadyStream(sys.stderr), **options)  # type: ignore[arg-type]

    def run_from_argv(self, argv: list[str]) -> None:
        """Run as a program: Ctrl-C is one line, and a reader that has closed the pipe is not a failure."""
        metrics.spare_stdout()
        try:
            with interrupted_by(_END_SIGNALS if self.ends_like_ctrl_c else ()):
                super().run_from_argv(argv)
        except KeyboardInterrupt as exc:
            self.stderr.write(self.interrupted)
            sys.exit(status_of(exc))
        finally:
            discard_rest()

    def execute(self, *args: object, **options: object) -> str | None:
        """Run the command. Errors of AWS, settings and database become a `CommandError`."""
        try:
            answer = super().execute(*args, **options)
        except GatewayNotFoundError as exc:  # a missing or wrong NAME is wrong usage
            raise CommandError(str(exc), returncode=_USAGE_STATUS) from exc
        except (WebSocketGatewayError, ConfigurationError) as exc:
            raise CommandError(str(exc)) from exc
        except ValidationError as exc:
            raise CommandError(" ".join(exc.messages)) from exc
        except AnyDatabaseError as exc:
            raise CommandError(_refusal(exc)) from exc
        except UnicodeEncodeError as exc:
            raise CommandError(
                f"{exc.object!r} holds bytes that are not text here. Write it in UTF-8, and set PYTHONUTF8=1 "
                "where the locale uses another encoding."
            ) from exc
        problem = self._steady.problem
        if problem is not None and not isinstance(problem, BrokenPipeError):
            raise CommandError(f"The work is done, but the report could not be written: {problem.strerror}.")
        return answer

    def add_format_argument(self, parser: CommandParser) -> None:
        """Add `--format text|json`."""
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            default="text",
            help="How to print the report: text for people (the default), json for programs.",
        )

    def add_no_input_argument(self, parser: CommandParser) -> None:
        """Add `--no-input`, under both spellings that Django itself accepts."""
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="Ask no questions; each counts as answered with yes.",
        )

    def confirm(self, question: str, *, interactive: bool) -> None:
        """Ask for a yes on the terminal; any other answer ends the command before a change."""
        if not interactive:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question} There is no terminal to ask on: pass --no-input to continue.")
        self.stderr.write(f"{question} [y/N] ", ending="")
        try:
            answer = input().strip().lower()
        except EOFError:
            answer = ""
        except KeyboardInterrupt as exc:
            raise CommandError("Nothing was changed.", returncode=status_of(exc)) from exc
        if answer not in ("y", "yes"):
            raise CommandError("Nothing was changed.")


def _refusal(exc: AnyDatabaseError) -> str:
    """The message for a database error, with the next step."""
    said = " ".join(str(exc).split()).rstrip(".?")
    if isinstance(exc, OperationalError) and is_busy(exc):
        return f"The database is busy: {said}. Run the command again."
    if isinstance(exc, ProgrammingError) or "no such" in said or _UNKNOWN_COLUMN in exc.args:
        return f"The database refused: {said}. Has `manage.py migrate` been run?"
    if isinstance(exc, (DataError, IntegrityError)):
        return f"The database refused: {said}."
    return f"The database refused: {said}. Is it running and writable, and is DATABASES right?"


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
