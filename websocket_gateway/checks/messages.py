"""How a finding is made. Ids are never reused; `management_docs/checks.md` lists them, retired ones too."""

from __future__ import annotations

from typing import Final

from django.core.checks import Error, Warning  # noqa: A004 - Django's own name

TAG: Final = "websocket_gateway"


def error(number: str, message: str, *, hint: str) -> Error:
    """Something that cannot work; `hint` says what to type."""
    return Error(message, hint=hint, id=f"{TAG}.{number}")


def warning(number: str, message: str, *, hint: str) -> Warning:
    """Something that works otherwise than is meant, or is not safe; `hint` says what to type."""
    return Warning(message, hint=hint, id=f"{TAG}.{number}")
