"""How one local gateway behaves: limits, quirks that AWS leaves open, deployment behaviour."""

from __future__ import annotations

import ipaddress
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
    """Behaviour of API Gateway that nobody could verify; each default is the likelier form."""

    connect_user_agent: Literal["client", "gateway"] = "client"
    """`$connect`: keep the client's User-Agent, or always send `AmazonAPIGateway_<id>`."""
    text_content_type: Literal["json", "text"] = "json"
    """Content type of a message that is no JSON: as for JSON, or `text/plain`."""
    header_twins: Literal["replace", "keep"] = "replace"
    """A client's header that differs from a mapped one only in case: replaced, or sent beside it."""
    two_way_error: Literal["body", "error"] = "body"
    """Two-way route, backend answered non-2xx: pass its body on, or the generic error frame."""
    disconnect_status: Literal["absent", "mapped"] = "absent"
    """Whether `context.disconnectStatusCode` and `context.disconnectReason` can be mapped."""
    ping_activity: Literal["ignored", "counts"] = "ignored"
    """Whether a protocol ping of the client postpones the idle timeout."""
    disabled_endpoint_callbacks: Literal["refused", "served"] = "refused"
    """`@connections` on the default endpoint while that is disabled."""
    payload_too_large_code: Literal["modelled", "absent"] = "modelled"
    """Whether a 413 names its error type, or leaves the client only the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """Everything that can be chosen about a local gateway before it starts."""

    host: str = "127.0.0.1"
    port: int = 9000
    """0 takes a free port."""
    state: Path | None = None
    """File that keeps the resources across restarts; `None` keeps nothing."""
    idle_timeout: float = IDLE_TIMEOUT_SECONDS
    max_duration: float = MAX_DURATION_SECONDS
    verify_secret: str | None = None
    """Secret access key to verify signatures with; `None` only asks for an Authorization header."""
    serialize: bool = False
    """Forward one event at a time, over a connection of its own (for a live server on in-memory SQLite)."""
    keep_alive: float = 1.0
    """Seconds that an idle connection to the backend may be used again."""
    page_size: int = 100
    """Resources on a page when a list call names no MaxResults."""
    deployment_seconds: float = 0.0
    """How long a new deployment stays PENDING."""
    deployment_fails: bool = False
    """Let every new deployment end as FAILED."""
    shutdown_grace: float = 5.0
    """How long stopping waits for the `$disconnect` events."""
    quirks: Quirks = field(default_factory=Quirks)

    def __post_init__(self) -> None:
        """Refuse what could never work, with a message that names the option."""
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
    """Whether the name or address means this machine and nothing else."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_quirks(pairs: list[str]) -> Quirks:
    """Read `name=value` pairs as the command line gives them."""
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
    """The values each quirk can take, the default first."""
    return {
        item.name: tuple(part.strip(" \"'") for part in str(item.type)[len("Literal[") : -1].split(","))
        for item in fields(Quirks)
    }
