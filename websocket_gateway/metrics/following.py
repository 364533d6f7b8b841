"""Switches metrics on and off as the settings say."""

from __future__ import annotations

from collections.abc import Callable

from django.core.signals import setting_changed

from websocket_gateway import metrics
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.metrics.choosing import make


def follow(read: Callable[[], str | None]) -> None:
    """Switch metrics to what `read` answers, now and whenever the settings change.

    Settings that cannot be read switch metrics off: the system checks report them.
    """
    chosen: list[str | None] = [None]

    def apply(**kwargs: object) -> None:
        try:
            value = read()
            if value != chosen[0]:
                metrics.switch(make(value))
                chosen[0] = value
        except ConfigurationError as exc:
            metrics.logger.error("Metrics are off: %s", exc)  # noqa: TRY400 - the message is enough
            metrics.switch(None)
            chosen[0] = None

    apply()
    setting_changed.connect(apply, dispatch_uid="websocket_gateway.metrics", weak=False)
