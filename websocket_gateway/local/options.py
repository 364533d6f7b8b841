"""The behaviour of a local gateway: limits, options, quirks (undocumented behaviour of AWS), faults."""

from __future__ import annotations

import ipaddress
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from websocket_gateway.local.errors import LocalGatewayError

MAX_MESSAGE_BYTES = 128 * 1024
MAX_FRAME_BYTES = 32 * 1024
IDLE_TIMEOUT_SECONDS = 600.0
MAX_DURATION_SECONDS = 7200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Behaviour of API Gateway that is not documented and not verified. Each default is the likelier form."""

    connect_user_agent: Literal["client", "gateway"] = "client"
    """`$connect`: keep the client's User-Agent, or always send `AmazonAPIGateway_<id>`."""
    text_content_type: Literal["json", "text"] = "json"
    """Content type of a message that is not JSON: as for JSON, or `text/plain`."""
    header_twins: Literal["replace", "keep"] = "replace"
    """A client header that differs from a mapped one only in case: replaced, or sent as well."""
    two_way_error: Literal["body", "error"] = "body"
    """Two-way route, backend responded with non-2xx: send the body, or the generic error frame."""
    disconnect_status: Literal["absent", "mapped"] = "absent"
    """Whether `context.disconnectStatusCode` and `context.disconnectReason` can be mapped."""
    ping_activity: Literal["ignored", "counts"] = "ignored"
    """Whether a protocol ping of the client restarts the idle timeout."""
    disabled_endpoint_callbacks: Literal["refused", "served"] = "refused"
    """`@connections` on the default endpoint while that endpoint is disabled."""
    empty_stage_description: Literal["ignored", "cleared"] = "ignored"
    """UpdateStage with an empty description: the old one stays, or goes."""
    payload_too_large_code: Literal["modelled", "absent"] = "modelled"
    """Whether a 413 response names its error type, or has only the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """The options of a local gateway, fixed when it starts."""

    host: str = "127.0.0.1"
    port: int = 9000
    """0 selects a free port."""
    state: Path | None = None
    """File that keeps the resources across restarts; with `None` they are lost."""
    idle_timeout: float = IDLE_TIMEOUT_SECONDS
    max_duration: float = MAX_DURATION_SECONDS
    verify_secret: str | None = None
    """Secret access key to verify signatures with; `None` only requires an Authorization header."""
    serialize: bool = False
    """Forward one event at a time, each over a new connection (for a live server on in-memory SQLite)."""
    keep_alive: float = 1.0
    """Seconds for which an idle connection to the backend can be used again."""
    page_size: int = 100
    """Resources per page for a list call without MaxResults."""
    deployment_seconds: float = 0.0
    """Seconds that a new deployment stays PENDING."""
    deployment_fails: bool = False
    """Make every new deployment end as FAILED."""
    shutdown_grace: float = 5.0
    """Seconds that stopping waits for the `$disconnect` events."""
    quirks: Quirks = field(default_factory=Quirks)

    def __post_init__(self) -> None:
        """Raise `LocalGatewayError` naming the option whose value cannot work."""
        if not is_loopback(self.host):
            raise LocalGatewayError(
                f"The local gateway binds to loopback only, not to {self.host!r}: use 127.0.0.1."
            )
        if not 0 <= self.port <= 65535:
            raise LocalGatewayError(f"The port must be between 0 and 65535, not {self.port}.")
        for name in ("idle_timeout", "max_duration"):
            if getattr(self, name) <= 0:
                raise LocalGatewayError(f"{name} must be a positive number of seconds.")
        if self.page_size < 1:
            raise LocalGatewayError("page_size must be at least 1.")


def is_loopback(host: str) -> bool:
    """Return whether the name or address is a loopback one."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_quirks(pairs: list[str]) -> Quirks:
    """Parse the `name=value` pairs of the command line."""
    choices: dict[str, tuple[str, ...]] = quirk_choices()
    chosen: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or name not in choices:
            raise LocalGatewayError(f"Unknown quirk {pair!r}; choose from {', '.join(sorted(choices))}.")
        if value not in choices[name]:
            raise LocalGatewayError(f"Quirk {name} is one of {', '.join(choices[name])}, not {value!r}.")
        chosen[name] = value
    return Quirks(**chosen)


def quirk_choices() -> dict[str, tuple[str, ...]]:
    """Return the allowed values of each quirk, the default first."""
    return {
        item.name: tuple(part.strip(" \"'") for part in str(item.type)[len("Literal[") : -1].split(","))
        for item in fields(Quirks)
    }


Phase = Literal["received", "effected", "replied"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to the control plane, in one phase."""

    operation: str
    parameters: dict[str, Any]
    phase: Phase
    """`received`: not executed yet; `effected`: executed; `replied`: the response has been sent."""


@dataclass(slots=True, kw_only=True)
class Faults:
    """Faults to inject. Shares are between 0 (never) and 1 (always).

    Without a `seed`, injections are spread evenly: 0.5 is exactly every second one.
    """

    skip_disconnects: float = 0.0
    """Share of `$disconnect` events that are not sent."""
    throttle_posts: float = 0.0
    """Share of calls to `@connections` that are answered with 429."""
    fail_posts: float = 0.0
    """Share of calls to `@connections` that are answered with 500."""
    drop_posts: float = 0.0
    """Share of posts that are answered with 200 but not delivered."""
    double_posts: float = 0.0
    """Share of posts that are delivered twice."""
    reorder_posts: float = 0.0
    """Share of posts that are delivered after the next one to the same connection, `defer_seconds` later at
    the latest; the answer does not wait for it."""
    defer_posts: float = 0.0
    """Share of posts that are answered at once and delivered `defer_seconds` later."""
    drop_messages: float = 0.0
    """Share of client messages that are not forwarded to the backend."""
    delay_posts: float = 0.0
    """Seconds by which every call to `@connections` is delayed."""
    delay_messages: float = 0.0
    """Seconds by which every client message is delayed."""
    delay_connects: float = 0.0
    """Seconds by which every `$connect` is delayed."""
    delay_disconnects: float = 0.0
    """Seconds by which every `$disconnect` is delayed."""
    no_log_role: bool = False
    """The account has no CloudWatch role: a stage with logs is refused."""
    defer_seconds: float = 1.0
    """Seconds for which `defer_posts` and `reorder_posts` hold a post back."""
    seed: int | None = None
    """With a number, each share is drawn at random: the same number affects the same turns in every run."""
    control_errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Operation name (or `*`) to the status and error type of its response."""
    on_call: Callable[[Call], None] | None = None
    """Called in the gateway's thread for every call to the control plane, once per phase."""
    _seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def occurs(self, name: str) -> bool:
        """Return whether to inject the fault this time: spread evenly, or drawn with `seed`."""
        share: float = getattr(self, name)
        if share <= 0:
            return False
        with self._lock:
            self._seen[name] += 1
            turn = self._seen[name]
        if self.seed is not None:
            # By turn and not by a shared generator: concurrent events of another kind change nothing.
            return random.Random(f"{self.seed} {name} {turn}").random() < share  # noqa: S311
        return int(turn * share + 1e-9) > int((turn - 1) * share + 1e-9)

    def clear(self) -> None:
        """Reset every fault to its default, which injects nothing."""
        clean = Faults()
        for name in self.__dataclass_fields__:
            if not name.startswith("_"):
                setattr(self, name, getattr(clean, name))
        with self._lock:
            self._seen.clear()
