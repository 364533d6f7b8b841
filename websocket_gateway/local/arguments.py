"""The options of `run_local_gateway`. Nothing here needs the optional extra."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from websocket_gateway.local.options import quirk_choices


def add_arguments(parser: ArgumentParser) -> None:
    """Declare every option of the command."""
    _add_addresses(parser)
    _add_behaviour(parser)
    _add_faults(parser)


def _add_addresses(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=port, default=9000, help="Port to listen on (9000); 0 takes a free one."
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
        help="Forward one event at a time, for a backend that cannot do more.",
    )
    parser.add_argument(
        "--deployment-seconds",
        type=delay,
        default=0.0,
        metavar="S",
        help="Keep new deployments PENDING for S seconds (0).",
    )
    parser.add_argument(
        "--fail-deployments", action="store_true", help="Let every new deployment end as FAILED."
    )
    parser.add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="Show the other form of behaviour that AWS does not document: "
        + "; ".join(f"{name} ({' or '.join(values)})" for name, values in quirk_choices().items()),
    )


def _add_faults(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("faults", "Shares are between 0 and 1; 0.5 hits every second time.")
    for name, text in (
        ("skip-disconnects", "$disconnect events that are never sent"),
        ("throttle-posts", "@connections calls answered with 429"),
        ("fail-posts", "@connections calls answered with 500"),
        ("drop-posts", "posts answered with 200 and never delivered"),
        ("drop-messages", "messages of clients that never reach the backend"),
    ):
        group.add_argument(f"--{name}", type=share, default=0.0, metavar="SHARE", help=f"Share of {text}.")
    for name, text in (
        ("delay-posts", "@connections call"),
        ("delay-messages", "message of a client"),
        ("delay-connects", "$connect"),
        ("delay-disconnects", "$disconnect"),
    ):
        group.add_argument(
            f"--{name}", type=delay, default=0.0, metavar="S", help=f"Hold every {text} for S seconds."
        )


def port(text: str) -> int:
    """An argparse type."""
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")
    return int(text)


def delay(text: str) -> float:
    """An argparse type: seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def seconds(text: str) -> float:
    """An argparse type: seconds, more than 0."""
    value = delay(text)
    if value == 0:
        raise ArgumentTypeError("must be more than 0 seconds")
    return value


def share(text: str) -> float:
    """An argparse type: between 0 and 1."""
    value = delay(text)
    if value > 1:
        raise ArgumentTypeError(f"{text!r} is no share: give a number from 0 to 1")
    return value
