"""System checks, tag `websocket_gateway`. They need no network, no database and no credentials.

`management_docs/checks.md` describes every finding. The checks for production run where `DEBUG` is off;
`check --deploy` runs them everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from django.conf import settings
from django.core.checks import CheckMessage, register

from websocket_gateway.checks import attributes, configuration, cookies, histories, routing, stack
from websocket_gateway.checks.messages import TAG

Check = Callable[[], Iterable[CheckMessage]]

ALWAYS: Final[tuple[Check, ...]] = (
    configuration.check_legacy_secret,
    configuration.check_region,
    configuration.check_credentials,
    configuration.check_task_function,
    configuration.check_metrics,
    cookies.check_patterns,
    cookies.check_trusted_origins,
    cookies.check_any_origin_is_allowed,
    cookies.check_same_site,
    cookies.check_domains,
    cookies.check_reach,
    stack.check_session_engine,
    stack.check_middleware,
    stack.check_ssl_redirect,
    routing.check_urlconf,
    routing.check_route_argument,
    routing.check_trailing_slash,
    routing.check_every_view_is_routed,
    attributes.check_channel_names,
    attributes.check_limits,
    histories.check_channel_patterns,
    histories.check_history_database,
)
IN_PRODUCTION: Final[tuple[Check, ...]] = (
    configuration.check_keys_in_settings,
    configuration.check_origin_secret,
    configuration.check_endpoint_url,
    configuration.check_execution_log,
    cookies.check_secure,
    stack.check_shared_sessions,
    attributes.check_tokens,
    attributes.check_rate_limits,
    attributes.check_handlers,
    attributes.check_headers,
    attributes.check_debug,
    attributes.check_unlisted_channels,
)


def register_checks() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    register(check_project, TAG)
    register(check_as_in_production, TAG, deploy=True)


def check_project(app_configs: object = None, **kwargs: object) -> list[CheckMessage]:
    """Run the checks that apply to the current settings."""
    return _run(ALWAYS if settings.DEBUG else (*ALWAYS, *IN_PRODUCTION))


def check_as_in_production(app_configs: object = None, **kwargs: object) -> list[CheckMessage]:
    """Run the checks that would apply in addition if `DEBUG` were off."""
    return _run(IN_PRODUCTION) if settings.DEBUG else []


def _run(checks: Iterable[Check]) -> list[CheckMessage]:
    unreadable: Iterator[CheckMessage] = iter(configuration.check_readable())
    if (message := next(unreadable, None)) is not None:
        return [message]  # every other check reads the settings too
    return list(chain.from_iterable(check() for check in checks))
