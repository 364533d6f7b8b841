"""Make findings: messages of Django's check framework.

A number is never used again; `management_docs/checks.md` lists every one. `obj` is the gateway that a
finding is about, or None for the whole project.
"""

from __future__ import annotations

from typing import Final

from django.core.checks import WARNING, CheckMessage, Error, Info, Warning  # noqa: A004 - Django's own name

TAG: Final = "websocket_gateway"


def error(number: str, message: str, *, hint: str, obj: object = None) -> Error:
    """Something that cannot work; `hint` says what to type."""
    return Error(message, hint=hint, obj=obj, id=f"{TAG}.{number}")


def warning(number: str, message: str, *, hint: str, obj: object = None) -> Warning:
    """Something that works otherwise than intended, or is not safe; `hint` says what to type."""
    return Warning(message, hint=hint, obj=obj, id=f"{TAG}.{number}")


def fact(text: str) -> Info:
    """Something that is as it should be, and worth reporting."""
    return Info(text)


def is_finding(message: CheckMessage) -> bool:
    """Whether there is something to correct; a fact needs nothing."""
    return message.level >= WARNING
