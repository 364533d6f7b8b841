"""Structured log records: the fields of every record of this package, the event that it belongs to, and JSON.

`get_logger` makes the loggers of this package. Each of their records has all `FIELDS` as attributes: those of
the event that is being handled (gateway, connection, request, route) or of the broadcast that is being sent
(run), and those of the record itself. `EventFilter` gives the fields of the event to other loggers.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

EVENT_FIELDS: Final = ("gateway", "connection_id", "request_id", "route", "run")
"""What is known of the event, or the broadcast, in which a record is written."""
FIELDS: Final = (
    "event", *EVENT_FIELDS, "channel", "user_id", "source_ip", "origin", "rule", "code", "status", "reason",
    "number", "left_out",
)  # fmt: skip
"""The attributes of every record; None where a value is not known or does not apply."""
EVENTS: Final = frozenset({
    "acks_not_told", "admin_change", "after_end", "close_failed", "connected", "credentials_kept", "ended",
    "endpoint_unknown", "history_not_trimmed", "lease_not_renewed", "legacy_secret", "loop_failed",
    "marking_failed", "members_not_left", "members_not_told", "message_saved", "metrics_failed",
    "not_enqueued", "not_given_back", "not_used_up", "page_without_address", "post_failed",
    "query_not_compiled", "receiver_cancelled", "refusals_not_counted", "region_differs", "run_not_noted",
    "send_failed", "send_interrupted", "session_engine_failed", "user_agent",
})  # fmt: skip
"""The values of `event`, beside those of the security log."""
_REQUEST: Final = "_websocket_log_fields"

_current: ContextVar[Mapping[str, object]] = ContextVar("websocket_gateway_log_fields", default={})  # noqa: B039 - read only


def get_logger(name: str) -> logging.Logger:
    """The logger of that name, whose records have all fields."""
    logger = logging.getLogger(name)
    if not any(isinstance(item, EventFilter) for item in logger.filters):
        logger.addFilter(EventFilter(FIELDS))
    return logger


@contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Give these fields to the records that are written in the block, also in threads that it starts."""
    token = _current.set({**_current.get(), **fields})
    try:
        yield
    finally:
        _current.reset(token)


def add_log_fields(**fields: object) -> None:
    """Give further fields to the records of the block of `log_fields` that surrounds the call."""
    _current.set({**_current.get(), **fields})


def keep_log_fields(request: object) -> None:
    """Keep the fields with a request, for what Django logs of it after the view has answered."""
    vars(request)[_REQUEST] = _current.get()


class EventFilter(logging.Filter):
    """For `LOGGING`: lets every record pass, with `EVENT_FIELDS` as attributes.

    For a handler, or for a logger of the project. A field that the record has already stays as it is.
    """

    def __init__(self, names: tuple[str, ...] = EVENT_FIELDS) -> None:
        super().__init__()
        self._names = names

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the attributes."""
        known, attributes = _fields_of(record), vars(record)
        for name in self._names:
            if attributes.get(name) is None:
                attributes[name] = known.get(name)
        return True


class JsonFormatter(logging.Formatter):
    """For `LOGGING`: one line of JSON for each record of any logger, without the fields that are None."""

    converter = time.gmtime  # type: ignore[assignment]

    def format(self, record: logging.LogRecord) -> str:
        """The line: ASCII, without a line break."""
        shown: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self.fields_of(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            shown["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            shown["stack"] = self.formatStack(record.stack_info)
        try:
            return json.dumps(shown, default=str, allow_nan=False)
        except Exception:  # noqa: BLE001 - a value that is not JSON, or a `__str__` that raises
            return json.dumps({name: _as_text(value) for name, value in shown.items()})

    def fields_of(self, record: logging.LogRecord) -> dict[str, object]:
        """The fields of a record that a line shows."""
        known = {**_fields_of(record), **_without_none(vars(record))}
        return {name: known[name] for name in FIELDS if name in known}


def follow_django() -> None:
    """Give the fields of an event to what Django logs of it: errors of handlers, refusals, slow checks."""
    for name in ("django.request", "django.security"):
        logger = logging.getLogger(name)
        if not any(isinstance(item, EventFilter) for item in logger.filters):
            logger.addFilter(EventFilter())


def _fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    fields = _current.get()
    if fields:
        return fields
    kept: Mapping[str, object] = getattr(getattr(record, "request", None), _REQUEST, fields)
    return kept


def _as_text(value: object) -> str:
    try:
        return str(value)
    except Exception as exc:  # noqa: BLE001 - as above
        return f"<{type(value).__name__}: {type(exc).__name__}>"


def _without_none(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
