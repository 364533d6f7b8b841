"""The setting `METRICS`: its values, and the recorder that each of them means."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Final, cast
from urllib.parse import urlsplit

from django.utils.module_loading import import_string

from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.metrics import Recorder

OTEL: Final = "otel"
EMF: Final = "emf"
_METHODS: Final = ("add", "record", "span", "flush")
_DOTTED: Final = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+"
_VALUES: Final = (
    'None, "otel", "emf", "emf+udp://127.0.0.1:25888", "emf+tcp://127.0.0.1:25888", '
    '"emf+unix:///run/agent.sock", or the dotted path of a recorder'
)


def parse(key: str, value: object) -> str | None:
    """The setting, checked for its form. Raises `ConfigurationError`."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and (value in (OTEL, EMF) or re.fullmatch(_DOTTED, value)):
        return value
    if isinstance(value, str) and value.startswith(f"{EMF}+"):
        _check_destination(key, value)
        return value
    raise ConfigurationError(f"{key} must be {_VALUES}, not {value!r}.")


def _check_destination(key: str, value: str) -> None:
    try:
        parts = urlsplit(value.removeprefix(f"{EMF}+"))
        port = parts.port
    except ValueError as exc:
        raise ConfigurationError(f"{key} must be {_VALUES}, not {value!r}.") from exc
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        return
    if parts.scheme not in ("udp", "tcp") or not parts.hostname or not port or parts.path.strip("/"):
        raise ConfigurationError(f"{key} must be {_VALUES}, not {value!r}.")
    try:
        ipaddress.ip_address(parts.hostname)
    except ValueError:
        raise ConfigurationError(
            f"{key} names the host {parts.hostname!r}. Write its IP address: looking a name up would make a "
            "request wait."
        ) from None


def find(value: str) -> Callable[[], Recorder]:
    """What makes the recorder of a value that `parse` has checked. Raises `ConfigurationError`."""
    if value == OTEL:
        if not has_otel():
            raise ConfigurationError(
                'METRICS is "otel", and OpenTelemetry is not installed. Install the extra: '
                "pip install 'django-websocket-gateway[otel]'"
            )
        return _make_otel
    if value == EMF or value.startswith(f"{EMF}+"):
        return partial(_make_emf, value.removeprefix(EMF).removeprefix("+"))
    try:
        found = import_string(value)
    except Exception as exc:  # noqa: BLE001 - the project's code
        raise ConfigurationError(f"METRICS: {value!r} cannot be imported: {exc}") from exc
    missing = [name for name in _METHODS if isinstance(found, type) and not hasattr(found, name)]
    if missing or not callable(found):
        lacks = f"has no method {missing[0]!r}" if missing else "is not callable"
        raise ConfigurationError(
            f"METRICS: {value!r} {lacks}; management_docs/monitoring.md shows a recorder."
        )
    return cast("Callable[[], Recorder]", found)


def make(value: str | None) -> Recorder | None:
    """The recorder of a value that `parse` has checked. Raises `ConfigurationError`."""
    if value is None:
        return None
    found = find(value)
    try:
        return found()
    except Exception as exc:  # noqa: BLE001 - the project's code
        raise ConfigurationError(f"METRICS: {value!r} cannot be used: {type(exc).__name__}: {exc}") from exc


def _make_emf(url: str) -> Recorder:
    from websocket_gateway.metrics.emf import EmfRecorder
    from websocket_gateway.metrics.sockets import SocketOutput
    from websocket_gateway.metrics.stdout import StdoutOutput

    return EmfRecorder(SocketOutput(url) if url else StdoutOutput())


def _make_otel() -> Recorder:
    from websocket_gateway.metrics.otel import OtelRecorder

    return OtelRecorder()


def has_otel() -> bool:
    """Whether the extra `otel` is installed; imports nothing of it."""
    try:
        return find_spec("opentelemetry.metrics") is not None
    except ModuleNotFoundError:
        return False
