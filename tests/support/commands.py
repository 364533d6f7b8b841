"""Calls a command as a shell would: argv strings in, status and both outputs out."""

from __future__ import annotations

import io
from dataclasses import dataclass

from django.core.management import call_command
from django.core.management.base import CommandError

TARGET = ("--target", "https://www.example.com/ws/")
"""What `create_gateway` must be told of a new gateway."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


def run(*argv: str) -> Ended:
    """Run `manage.py ARGV` in this process; a `CommandError` becomes its exit status and its text."""
    stdout, stderr = io.StringIO(), io.StringIO()
    status = 0
    try:
        call_command(argv[0], *argv[1:], stdout=stdout, stderr=stderr, no_color=True)
    except CommandError as exc:
        status = exc.returncode
        stderr.write(str(exc))
    return Ended(status, stdout.getvalue(), stderr.getvalue())
