"""What a probe finds: facts worth knowing, and findings with what to do."""

from __future__ import annotations

from dataclasses import dataclass

_PREFIX = "websocket_gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to mend. Numbers are described in `management_docs/checks.md`."""

    level: str
    """`error` or `warning`."""
    id: str
    message: str
    hint: str
    gateway: str = ""
    """The gateway that it is about; empty for the whole project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one probe answers."""

    facts: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def error(number: str, message: str, *, hint: str, gateway: str = "") -> Finding:
    """Something that does not work."""
    return Finding(level="error", id=f"{_PREFIX}.{number}", message=message, hint=hint, gateway=gateway)


def warning(number: str, message: str, *, hint: str, gateway: str = "") -> Finding:
    """Something that works otherwise than is meant, or is not safe."""
    return Finding(level="warning", id=f"{_PREFIX}.{number}", message=message, hint=hint, gateway=gateway)
