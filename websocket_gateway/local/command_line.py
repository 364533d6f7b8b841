"""What the command `run_local_gateway` needs: its options, logging, stop signals, the limit of open files.

Nothing here needs the optional extra.
"""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

from websocket_gateway.local.options import quirk_choices

_LEVELS = {0: logging.WARNING, 1: logging.INFO}


class LogStream(Protocol):
    """What logging writes to: a text file, or the stderr of a command."""

    def write(self, text: str, /) -> object:
        """Write the text."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare every option of the command."""
    _add_addresses(parser)
    _add_behaviour(parser)
    _add_faults(parser)


def _add_addresses(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=port, default=9000, help="Port to listen on (9000); 0 selects a free port."
    )
    parser.add_argument("--host", default="127.0.0.1", help="Loopback address to listen on (127.0.0.1).")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="Keep the resources in FILE across restarts."
    )
    parser.add_argument(
        "--idle-timeout",
        type=seconds,
        default=600.0,
        metavar="S",
        help="Close silent sockets after S seconds (600).",
    )
    parser.add_argument(
        "--max-duration",
        type=seconds,
        default=7200.0,
        metavar="S",
        help="Close every socket after S seconds (7200).",
    )
    parser.add_argument(
        "--verify-secret", metavar="SECRET", help="Verify every signature with this secret access key."
    )


def _add_behaviour(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--serialize",
        action="store_true",
        help="Forward one event at a time, for a backend that cannot serve parallel requests.",
    )
    parser.add_argument(
        "--deployment-seconds",
        type=delay,
        default=0.0,
        metavar="S",
        help="Keep new deployments PENDING for S seconds (0).",
    )
    parser.add_argument("--fail-deployments", action="store_true", help="Make every new deployment fail.")
    parser.add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="Choose another form of a behaviour that AWS does not document: "
        + "; ".join(f"{name} ({' or '.join(values)})" for name, values in quirk_choices().items()),
    )


def _add_faults(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("faults", "Shares are between 0 and 1; 0.5 affects every second one.")
    for name, text in (
        ("skip-disconnects", "$disconnect events that are not sent"),
        ("throttle-posts", "@connections calls answered with 429"),
        ("fail-posts", "@connections calls answered with 500"),
        ("drop-posts", "posts answered with 200 but not delivered"),
        ("double-posts", "posts delivered twice"),
        ("reorder-posts", "posts delivered after the next one to the same connection"),
        ("defer-posts", "posts answered at once and delivered --defer-seconds later"),
        ("drop-messages", "client messages that are not forwarded to the backend"),
    ):
        group.add_argument(f"--{name}", type=share, default=0.0, metavar="SHARE", help=f"Share of {text}.")
    for name, text in (
        ("delay-posts", "@connections call"),
        ("delay-messages", "client message"),
        ("delay-connects", "$connect"),
        ("delay-disconnects", "$disconnect"),
    ):
        group.add_argument(
            f"--{name}", type=delay, default=0.0, metavar="S", help=f"Delay every {text} by S seconds."
        )
    group.add_argument(
        "--defer-seconds",
        type=delay,
        default=1.0,
        metavar="S",
        help="Hold deferred and reordered posts back for S seconds (1).",
    )
    group.add_argument(
        "--fault-seed",
        dest="seed",
        type=int,
        metavar="N",
        help="Draw each share at random, the same way for the same number, instead of evenly.",
    )


def port(text: str) -> int:
    """Parse a port number, as an argparse type."""
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to 65535")
    return int(text)


def delay(text: str) -> float:
    """Parse a number of seconds, 0 or more, as an argparse type."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def seconds(text: str) -> float:
    """Parse a positive number of seconds, as an argparse type."""
    value = delay(text)
    if value == 0:
        raise ArgumentTypeError("must be more than 0 seconds")
    return value


def share(text: str) -> float:
    """Parse a share between 0 and 1, as an argparse type."""
    value = delay(text)
    if value > 1:
        raise ArgumentTypeError(f"{text!r} is not a share: give a number from 0 to 1")
    return value


@contextmanager
def log_to(stream: LogStream, verbosity: int) -> Iterator[None]:
    """Log to that stream, one short line per request; a higher verbosity logs more of them."""
    handler = logging.StreamHandler(stream)
    handler.terminator = ""
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    levels = {
        "websocket_gateway.local": _LEVELS.get(verbosity, logging.DEBUG),
        "uvicorn.error": logging.ERROR,
    }
    for name, level in levels.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for name in levels:
            logger = logging.getLogger(name)
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
            logger.propagate = True


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set. A second Ctrl-C raises `KeyboardInterrupt` as usual."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return

    def request_stop(number: int, frame: FrameType | None) -> None:
        requested.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def raise_file_limit() -> None:
    """Raise the soft limit of open files: every socket is a file, and the usual limit is only 1024."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
