"""The security log: a structured record for each refusal, limit, forged event, revocation, foreign gateway.

`write` is the only code that writes to the logger `websocket_gateway.security`. Every record has all
`FIELDS`. What a client can choose is escaped and cut, so that no value can begin a line or reorder one.
Callers pass no secret.

A process writes at most `RECORDS` of one rule in `SECONDS`, and then one record that says how many were left
out: with the next record of any rule, after the next request, or when the process ends. So an attack cannot
fill the disk, and needs no memory either: what is counted is counted by rule, and rules are a closed set.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal, TypedDict, get_args
from uuid import UUID

from websocket_gateway import metrics
from websocket_gateway.forking import PerProcess
from websocket_gateway.log_records import JsonFormatter, get_logger

if TYPE_CHECKING:
    from typing_extensions import Unpack

LOGGER: Final = "websocket_gateway.security"
RECORDS: Final = 20
"""Records of one rule that a process writes in a window."""
SECONDS: Final = 60.0
"""The length of a window, which begins with its first record."""
_PLAIN: Final = (int, UUID, type(None))
_LENGTH: Final = 200
_REASON_LENGTH: Final = 500

logger = get_logger(LOGGER)


class Fields(TypedDict, total=False):
    """Who, from where, to what, and what was answered. Any text may come from a client."""

    user_id: object
    source_ip: str | None
    origin: str | None
    gateway: str | None
    connection_id: str | None
    route: str | None
    code: str | None
    status: int | None


FIELDS: Final = ("event", "rule", *Fields.__annotations__, "left_out")
"""The attributes of each record; None where a value is not known or does not apply."""


Refused = Literal[
    "bad_request", "invalid_frame", "handler_missing", "unknown_handler", "unknown_control", "not_found",
    "invalid_channel", "channel_denied", "not_subscribed", "history_off", "presence_off", "acks_off",
    "invalid_position", "forbidden", "origin_denied", "permission_denied", "connection_refused",
    "connect_hook", "not_connected", "internal_error", "busy", "method_not_allowed", "csrf_failed",
    "csrf_origin", "not_authenticated",
    "invalid_token", "token: missing", "token: unknown", "token: expired", "token: session_cookie",
    "token: user", "token: password", "token: session", "other",
]  # fmt: skip
Limited = Literal[
    "rate_limited", "too_large", "too_many_channels", "RATE_LIMIT_MAX_ATTEMPTS",
    "RATE_LIMIT_MAX_ATTEMPTS_PER_IP", "MAX_CONNECTIONS_PER_USER", "MAX_MESSAGES_PER_MINUTE",
    "TOKEN_RATE_LIMIT_PER_MINUTE",
]  # fmt: skip
Forged = Literal[
    "unknown_gateway", "pinned_gateway", "origin_secret", "other_gateway", "invalid_event", "missing_headers",
    "user_agent",
]  # fmt: skip
Replayed = Literal["already_connected", "token: used", "duplicate"]
Revoked = Literal[
    "revoked: logout", "revoked: password", "revoked: deactivated", "revoked: deleted", "revoked: backend",
    "revoked: session", "revoked: admin", "revoked: other",
]  # fmt: skip
Foreign = Literal["foreign_gateway"]
Rule = Refused | Limited | Forged | Replayed | Revoked | Foreign

EVENTS: Final[Mapping[str, str]] = {
    rule: kind
    for kind, rules in (
        ("refused", Refused), ("limited", Limited), ("forged", Forged), ("replayed", Replayed),
        ("revoked", Revoked), ("foreign", Foreign),
    )
    for rule in get_args(rules)
}  # fmt: skip
"""Every rule that a record can name, with its kind of event; `management_docs/security_log.md` has both."""
observers: Final[list[Callable[[str], object]]] = []
"""Called with the rule of each record, also of one that is not written."""
metrics.close("rule", EVENTS)
metrics.close("code", EVENTS)  # a code is the name of a rule

_REVOCATIONS: Final[Mapping[str, Revoked]] = {
    rule.removeprefix("revoked: "): rule for rule in get_args(Revoked)
}
"""The rule of each reason to end a connection; a project's own reasons are `revoked: other`."""
_NO_REVOCATIONS: Final = frozenset({"client", "gone", "refused"})
"""Ends that were found or asked for by the client, and refusals, which have a record already."""


def _level_of(rule: str) -> int:
    """INFO for what happens in normal operation too, else WARNING."""
    return logging.INFO if rule == "duplicate" or EVENTS[rule] == "revoked" else logging.WARNING


class _Window:
    __slots__ = ("end", "left_out", "written")

    def __init__(self, end: float) -> None:
        self.end = end
        self.written = 0
        self.left_out = 0


class _Windows:
    """What one process has written and left out, by rule."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self.due = float("inf")
        """When the first window ends in which something was left out."""

    def admit(self, rule: str) -> bool:
        """Count a record: whether it is written."""
        now = time.monotonic()
        with self._lock:
            window = self._windows.get(rule)
            if window is None or (now >= window.end and not window.left_out):
                window = self._windows[rule] = _Window(now + SECONDS)
            if window.written < RECORDS:
                window.written += 1
                return True
            window.left_out += 1
            self.due = min(self.due, window.end)
            return False

    def clear(self) -> None:
        """Forget everything that was counted."""
        with self._lock:
            self._windows, self.due = {}, float("inf")

    def take_left_out(self, until: float) -> list[tuple[str, int]]:
        """The number left out of each rule whose window ends up to then, which begins a new one."""
        with self._lock:
            found = [
                (rule, window.left_out)
                for rule, window in self._windows.items()
                if window.left_out and window.end <= until
            ]
            for rule, _number in found:
                del self._windows[rule]
            rest = (window.end for window in self._windows.values() if window.left_out)
            self.due = min(rest, default=float("inf"))
            return found


_windows = PerProcess(_Windows)


def write(rule: Rule, reason: str, **fields: Unpack[Fields]) -> None:
    """Write a record, or count it where its rule has had enough in this window. `reason` is for people."""
    name = rule if rule in EVENTS else "other"
    for observe in observers:
        observe(name)
    metrics.count("security.records", kind=EVENTS[name], rule=name, code=fields.get("code"))
    if not logger.isEnabledFor(_level_of(name)):
        return
    write_left_out()
    if _windows().admit(name):
        _log(name, EVENTS[name], escape(reason, _REASON_LENGTH, raw="\\"), fields)


def write_end(reason: str, **fields: Unpack[Fields]) -> None:
    """Write the end of a connection, if it was revoked. `reason` may be one of the project's own."""
    if reason not in _NO_REVOCATIONS:
        rule = _REVOCATIONS.get(reason, "revoked: other")
        write(rule, f"the connection was ended, reason: {reason}", **fields)


def write_left_out(*, at_once: bool = False, **kwargs: object) -> None:
    """Write how many records were left out in windows that are over, `at_once` in all; a receiver, too."""
    windows, now = _windows(), time.monotonic()
    if windows.due > now and not at_once:
        return
    for rule, number in windows.take_left_out(float("inf") if at_once else now):
        reason = f"{number} more of the rule {rule!r}, after {RECORDS} in {SECONDS:.0f} seconds"
        _log(rule, "left_out", reason, {}, left_out=number)


def forget_windows() -> None:
    """Forget what was counted, without a record of what was left out: for tests that count records."""
    _windows().clear()


def escape(value: object, length: int = _LENGTH, *, raw: str = "") -> str:
    r"""A text in one line of printable characters: others, and `\`, as in Python's literals. Cut at `length`.

    Not printable are line breaks, control characters, marks of the direction of writing, surrogates. The
    characters in `raw` are not escaped.
    """
    text = str(value)
    shown = "".join(
        char if char in raw or (char.isprintable() and char != "\\") else ascii(char)[1:-1]
        for char in text[: length + 1]
    )
    return shown if len(shown) <= length else f"{shown[:length]}... ({len(text)} characters)"


def _log(rule: str, event: str, reason: str, fields: Fields, *, left_out: int | None = None) -> None:
    known: dict[str, object] = {
        **dict.fromkeys(FIELDS),
        **{name: value if isinstance(value, _PLAIN) else escape(value) for name, value in fields.items()},
        "event": event,
        "rule": rule,
        "left_out": left_out,
    }
    logger.log(_level_of(rule), "%s: %s", event, reason, extra=known)


class JSONFormatter(JsonFormatter):
    """For `LOGGING`: as `log_records.JsonFormatter`, but with all `FIELDS`, those without a value as well."""

    def fields_of(self, record: logging.LogRecord) -> dict[str, object]:
        """The fields of the security log."""
        return {name: vars(record).get(name) for name in FIELDS}


class WithoutQueryString(logging.Filter):
    """For the logger `uvicorn.access`, which has no format for it: a query string may have a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the query strings off the arguments."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                value.partition("?")[0] if isinstance(value, str) else value for value in record.args
            )
        return True


atexit.register(write_left_out, at_once=True)
