"""The catalogue of every metric: name, kind, unit, labels, help. Docs, dashboards and adapters follow it.

Names and units follow OpenTelemetry's conventions (https://opentelemetry.io/docs/specs/semconv/general/metrics/):
dots between namespaces, UCUM units with `{thing}` for what is counted, seconds for durations, `error.type`.
Labels have values of closed sets only: anything else becomes `other`, so no client can make a new series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

PREFIX: Final = "websocket_gateway"
OTHER: Final = "other"
"""The value of a label in place of one that is not in its closed set."""


class Kind(Enum):
    """The kinds of metrics, in OpenTelemetry's words."""

    COUNTER = "counter"
    UP_DOWN_COUNTER = "updowncounter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"
    """What `ws_metrics` reads from the database."""


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """A label and the closed set of its values."""

    name: str
    values: frozenset[str]
    meaning: str = ""
    """Which values, for the documentation, where another module declares them by `close`."""

    @property
    def argument(self) -> str:
        """The name of the keyword argument: a dot is an underscore."""
        return self.name.replace(".", "_")


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric. `labels` maps arguments to labels."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: Mapping[str, Label] = field(default_factory=dict)

    @property
    def prometheus_name(self) -> str:
        """The name that Prometheus shows, by OpenTelemetry's rules for it; without `_bucket` and the like.

        https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
        """
        unit = "_seconds" if self.unit == "s" else ""
        return self.name.replace(".", "_") + unit + ("_total" if self.kind is Kind.COUNTER else "")


_declared: dict[str, set[str]] = {"code": set(), "rule": set(), "handler": set()}
"""The sets that their owners declare when they are imported, or when a view is defined."""


def close(label: str, values: Iterable[str]) -> None:
    """Declare values of a label. Only for names that the code of package or project has, never for input."""
    _declared[label].update(values)


def allowed(label: Label, value: str | None) -> str | None:
    """The value of a label as it may be shown; None for an absent one."""
    if value is None or value in label.values or value in _declared.get(label.name, ()):
        return value
    return OTHER


def _label(name: str, *values: str, meaning: str = "") -> Label:
    return Label(name, frozenset(values), meaning)


_EVENT = _label("event", "connect", "message", "disconnect", "unknown")
_CODE = _label("code", "ok", meaning="`ok`, or an error code of the view")
_RULE = _label("rule", meaning="a rule of the security log")
_RECORD = _label("kind", "refused", "limited", "forged", "replayed", "revoked", "foreign")
_HANDLER = _label(
    "handler", "connect", "disconnect", "default", meaning="`connect`, `disconnect`, or a method of a view"
)
_ERROR = _label("error.type", "refused", "exception")
_POST = _label("outcome", "delivered", "gone", "throttled", "failing", "unanswered", "denied", "refused")
_RECIPIENT = _label("outcome", "delivered", "gone", "failed")
_URGENT = _label("mode", "urgent", "patient")
_END = _label(
    "reason",
    *("client", "gone", "refused", "logout", "password", "deactivated", "deleted", "backend", "session"),
    *("admin", "revoked"),
)
_LOST = _label("reason", "epoch", "expired", "ahead")
_RESULT = _label("result", "complete", "cut_short")
_ACTION = _label("action", "apply", "delete")
_GATEWAY = _label("gateway", meaning="the name of a gateway's row")
_STAGE = _label("stage", meaning="the name of a stage")


def _metric(name: str, kind: Kind, unit: str, text: str, *labels: Label) -> Metric:
    return Metric(f"{PREFIX}.{name}", kind, unit, text, {label.argument: label for label in labels})


_COUNTER, _SECONDS, _GAUGE = Kind.COUNTER, Kind.HISTOGRAM, Kind.GAUGE

PROCESS: Final = (
    _metric("event.duration", _SECONDS, "s", "Events of API Gateway, from view to response.", _EVENT, _CODE),
    _metric("handler.duration", _SECONDS, "s", "Calls of handlers and hooks.", _HANDLER, _ERROR),
    _metric(
        *("security.records", _COUNTER, "{record}", "What the security log is told, left out or not."),
        *(_RECORD, _RULE, _CODE),
    ),
    _metric("message.duplicates", _COUNTER, "{message}", "Messages that were handled before."),
    _metric("connection.ends", _COUNTER, "{connection}", "Connections that ended; ghosts are `gone`.", _END),
    _metric("send.posts", _COUNTER, "{post}", "Answers to posts, each attempt; 429 is `throttled`.", _POST),
    _metric("send.recipients", _COUNTER, "{recipient}", "Recipients with a final outcome.", _RECIPIENT),
    _metric("send.duration", _SECONDS, "s", "Sending one message to its recipients.", _URGENT),
    _metric(
        *("send.backlog", Kind.UP_DOWN_COUNTER, "{recipient}"),
        "Recipients handed to the engine, without an outcome so far.",
    ),
    _metric("send.given_up", _COUNTER, "{recipient}", "Recipients of urgent sends that were given up."),
    _metric("circuit_breaker.opens", _COUNTER, "{open}", "Endpoints that web requests stop calling."),
    _metric("history.publishes", _COUNTER, "{message}", "Messages that got their offset."),
    _metric("history.recoveries", _COUNTER, "{channel}", "Channels read from a client's position on."),
    _metric("history.losses", _COUNTER, "{channel}", "Recoveries that began with `lost`.", _LOST),
    _metric("purge.duration", _SECONDS, "s", "Runs of the purge.", _RESULT),
    _metric("provision.duration", _SECONDS, "s", "Changes of a gateway in AWS.", _ACTION, _ERROR),
    _metric("metrics.dropped", _COUNTER, "{line}", "EMF lines that their destination did not take."),
)
"""What each process counts."""

DATABASE: Final = (
    _metric("connections.open", _GAUGE, "{connection}", "Open connections.", _GATEWAY, _STAGE),
    _metric("history.oldest_unnumbered", _GAUGE, "s", "Age of the oldest message without an offset."),
    _metric("broadcasts.open", _GAUGE, "{broadcast}", "Broadcasts of the queue that are not finished."),
    _metric("broadcasts.backlog", _GAUGE, "{recipient}", "Recipients that open broadcasts have not reached."),
    _metric("members.present", _GAUGE, "{member}", "Members that are present, over all channels."),
    _metric("gateway.drift", _GAUGE, "{drift}", "1 if the last check found a difference, else 0.", _GATEWAY),
    _metric("gateway.check.age", _GAUGE, "s", "Time since the last check.", _GATEWAY),
    _metric("gateway.sync.age", _GAUGE, "s", "Time since the gateway was applied or synced.", _GATEWAY),
    _metric("purge.age", _GAUGE, "s", "Time since a purge of all parts was complete."),
)
"""What the database knows, read by `ws_metrics`; its labels are names of rows, not of clients."""

METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in (*PROCESS, *DATABASE)}
