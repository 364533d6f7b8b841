"""The project's settings as one frozen dataclass, read lazily.

`get_settings()` reads the dict `WEBSOCKET_GATEWAY` and the flat AWS names from
`django.conf.settings` at the first call and keeps the result until a setting changes
(`override_settings` included). The field list below is the schema: the name of a field in
upper case is its key in the dict, and its default is defined only here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypedDict
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signals import setting_changed

from websocket_gateway import setting_types as kinds
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.metrics.choosing import parse as parse_metrics

SETTING = "WEBSOCKET_GATEWAY"

_LEGACY_TEXT = r"[A-Za-z0-9._~+/=-]{32,}"


@dataclass(frozen=True, kw_only=True)
class GatewayOptions:
    """`WEBSOCKET_GATEWAY["GATEWAYS"][name]`; None stands for the default of AWS, which is not compared."""

    integration_timeout_ms: int = kinds.setting(29_000, kinds.number(50, 29_000))
    throttling_rate_limit: float | None = kinds.setting(None, kinds.optional_rate)
    throttling_burst_limit: int | None = kinds.setting(None, kinds.number(optional=True))
    access_log_arn: str | None = kinds.setting(None, kinds.text(optional=True))
    access_log_format: str | None = kinds.setting(None, kinds.text(optional=True))
    logging_level: str = kinds.setting("OFF", kinds.text(choices=("OFF", "ERROR", "INFO")))
    stage_variables: tuple[tuple[str, str], ...] | None = kinds.setting(None, kinds.string_map)
    tags: tuple[tuple[str, str], ...] | None = kinds.setting(None, kinds.string_map)
    disable_execute_api_endpoint: bool | None = kinds.setting(None, kinds.optional_flag)
    ip_address_type: str | None = kinds.setting(
        None, kinds.text(choices=("ipv4", "dualstack"), optional=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """`WEBSOCKET_GATEWAY["CHANNELS"][pattern]`: what the channels of that name or prefix keep."""

    history_messages: int = kinds.setting(0, kinds.number())
    """The number of latest messages that a client can still get; 0 for no history."""
    history_seconds: int = kinds.setting(86_400, kinds.number(1))
    """How long a client can still get a message, from its publishing on."""
    presence: bool = kinds.setting(False, kinds.flag)
    """Whether the members of the channel are known, and told of each other."""
    acks: bool = kinds.setting(False, kinds.flag)
    """Whether it is known up to which message each user has acknowledged."""

    def first_kept(self, last_offset: int) -> int:
        """The first offset that a client can still get, in a channel whose latest offset is `last_offset`."""
        return max(1, last_offset - self.history_messages + 1)

    def oldest_kept(self, now: datetime) -> datetime:
        """The earliest publishing time of a message that a client can still get."""
        return now - timedelta(seconds=self.history_seconds)


def _channels(key: str, value: object) -> tuple[tuple[str, ChannelOptions], ...]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{key} must be a dict of channel names, not {type(value).__name__}.")
    return tuple(
        (_channel_pattern(key, pattern), _channel_options(f"{key}[{pattern!r}]", options))
        for pattern, options in value.items()
    )


def _channel_options(key: str, value: object) -> ChannelOptions:
    options = ChannelOptions(**kinds.parse_mapping(ChannelOptions, key, value))
    if options.acks and not options.history_messages:
        raise ConfigurationError(f"{key}: ACKS needs a history: set HISTORY_MESSAGES above 0.")
    return options


def _channel_pattern(key: str, pattern: object) -> str:
    """A channel name, or a prefix followed by `*`. Raises `ConfigurationError` for what fits no name."""
    if not isinstance(pattern, str) or not pattern:
        raise ConfigurationError(f"{key}: {pattern!r} is not a channel name.")
    if "*" in pattern[:-1]:
        raise ConfigurationError(f"{key}[{pattern!r}]: * is allowed at the end of a name only.")
    return pattern


def _gateways(key: str, value: object) -> tuple[tuple[str, GatewayOptions], ...]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{key} must be a dict of gateway names, not {type(value).__name__}.")
    return tuple(
        (str(name), GatewayOptions(**kinds.parse_mapping(GatewayOptions, f"{key}[{name!r}]", options)))
        for name, options in value.items()
    )


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """Every setting of the package. Units are in the names: seconds, minutes, days."""

    token_expiry_seconds: int = kinds.setting(60, kinds.number(1))
    token_by: str = kinds.setting("query", kinds.text(choices=("query", "subprotocol")))
    token_rate_limit_per_minute: int = kinds.setting(60, kinds.number())
    rate_limit_max_attempts: int = kinds.setting(20, kinds.number())
    rate_limit_window_minutes: int = kinds.setting(5, kinds.number(1))
    max_connections_per_user: int = kinds.setting(100, kinds.number())
    max_messages_per_minute: int = kinds.setting(600, kinds.number())
    allowed_origins: tuple[str, ...] | None = kinds.setting(None, kinds.optional_strings)
    origin_secret_required: bool = kinds.setting(True, kinds.flag)
    allowed_target_hosts: tuple[str, ...] = kinds.setting((), kinds.strings)
    endpoint_url: str | None = kinds.setting(None, kinds.endpoint_url)
    connect_grace_seconds: int = kinds.setting(15, kinds.number())
    max_connection_seconds: int = kinds.setting(7200, kinds.number(1))
    max_age_grace_seconds: int = kinds.setting(300, kinds.number())
    session_retention_days: int = kinds.setting(7, kinds.number())
    activity_retention_days: int = kinds.setting(0, kinds.number())
    send_engine: str = kinds.setting("auto", kinds.text(choices=("auto", "asyncio", "boto3")))
    send_concurrency: int = kinds.setting(128, kinds.number(1))
    send_max_per_second: int = kinds.setting(2000, kinds.number())
    send_timeout_seconds: int = kinds.setting(5, kinds.number(1))
    send_deadline_seconds: int = kinds.setting(60, kinds.number(1))
    request_send_deadline_seconds: int = kinds.setting(3, kinds.number(1))
    task_backend: str = kinds.setting("default", kinds.text())
    task_queue: str = kinds.setting("default", kinds.text())
    admin_provisioning: bool = kinds.setting(True, kinds.flag)
    default_gateway: str = kinds.setting("", kinds.text_or_empty)
    installation_name: str = kinds.setting("", kinds.text_or_empty)
    gateway_cache_seconds: int = kinds.setting(30, kinds.number())
    gateways: tuple[tuple[str, GatewayOptions], ...] = kinds.setting((), _gateways)
    channels: tuple[tuple[str, ChannelOptions], ...] = kinds.setting((), _channels)
    history_page_bytes: int = kinds.setting(30_000, kinds.number(1_000, 120_000))
    presence_events_up_to: int = kinds.setting(100, kinds.number())
    metrics: str | None = kinds.setting(None, parse_metrics)

    # The flat names, which other packages that use boto3 from Django read too.
    region_name: str | None = None
    iam_profile: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    legacy_secrets: tuple[str, ...] = field(default=(), repr=False)
    """`WEBSOCKETS["gateway_secret"]` of django-aws-api-gateway-websockets, while it is in the settings."""

    def deadline_seconds(self, *, urgent: bool) -> int:
        """All attempts for one recipient; `urgent` where a user waits: in a web request or at a commit."""
        longest = self.send_deadline_seconds
        return min(longest, self.request_send_deadline_seconds) if urgent else longest

    def gateway_options(self, name: str) -> GatewayOptions:
        """The options of the gateway called `name` in `GATEWAYS`; defaults where it has none."""
        return dict(self.gateways).get(name, GatewayOptions())

    @property
    def has_presence(self) -> bool:
        """Whether `CHANNELS` gives presence to any channel."""
        return any(options.presence for _, options in self.channels)

    def channel_options(self, name: str) -> ChannelOptions:
        """The options of a channel: the exact name's in `CHANNELS`, else those of the longest prefix."""
        if not self.channels:
            return ChannelOptions()
        found = dict(self.channels)
        return next((found[key] for key in patterns_of(name) if key in found), ChannelOptions())


def patterns_of(channel_name: str) -> list[str]:
    """The patterns that fit a channel, the one that counts first: its name, then prefixes with `*`."""
    return [channel_name, *(channel_name[:length] + "*" for length in range(len(channel_name), -1, -1))]


class _Credentials(TypedDict, total=False):
    iam_profile: str | None
    access_key_id: str | None
    secret_access_key: str | None
    session_token: str | None


def _flat(name: str) -> str | None:
    value = getattr(settings, name, None)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a string, not {type(value).__name__}.")
    return value


def _credentials() -> _Credentials:
    profile = _flat("AWS_IAM_PROFILE")
    key, secret = _flat("AWS_ACCESS_KEY_ID"), _flat("AWS_SECRET_ACCESS_KEY")
    if profile is None and (key is None) != (secret is None):
        missing = "AWS_SECRET_ACCESS_KEY" if key else "AWS_ACCESS_KEY_ID"
        raise ConfigurationError(
            f"{missing} is not set although the other half of the pair is. "
            "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither."
        )
    if profile is not None or key is None:
        return {"iam_profile": profile}
    return {"access_key_id": key, "secret_access_key": secret, "session_token": _flat("AWS_SESSION_TOKEN")}


def _legacy_secrets() -> tuple[str, ...]:
    """The secrets, one or several; a text that the older package would have refused to send is left out."""
    configured = getattr(settings, "WEBSOCKETS", None)
    value = configured.get("gateway_secret") if isinstance(configured, Mapping) else None
    candidates = value if isinstance(value, (list, tuple)) else [value]
    return tuple(
        secret for secret in candidates if isinstance(secret, str) and re.fullmatch(_LEGACY_TEXT, secret)
    )


def is_loopback(url: str | None) -> bool:
    """Whether `url` points at this machine."""
    host = urlsplit(url).hostname if url else None
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1)
def get_settings() -> GatewaySettings:
    """The current settings. Raises `ConfigurationError`, which names the wrong key."""
    return GatewaySettings(
        **kinds.parse_mapping(GatewaySettings, SETTING, getattr(settings, SETTING, None) or {}),
        **_credentials(),
        region_name=_flat("AWS_GATEWAY_REGION_NAME") or _flat("AWS_REGION_NAME"),
        legacy_secrets=_legacy_secrets(),
    )


def _forget(**kwargs: object) -> None:
    get_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="websocket_gateway.conf")
