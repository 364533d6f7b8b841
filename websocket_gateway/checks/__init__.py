"""System checks, tag `websocket_gateway`: what can be told without network, database or credentials.

Every finding is described in `management_docs/checks.md`. Those of a project in production are found
where `DEBUG` is off; `check --deploy` looks for them wherever it is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, register

from websocket_gateway.checks import attributes, configuration, cookies, origins, routing, stack
from websocket_gateway.checks.messages import TAG

Check = Callable[[], Iterable[CheckMessage]]

ALWAYS: Final[tuple[Check, ...]] = (
    configuration.check_legacy_secret,
    configuration.check_region,
    configuration.check_credentials,
    origins.check_patterns,
    origins.check_trusted_origins,
    origins.check_somebody_may_connect,
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
    """Make Django run them; called once, when the apps are ready."""
    register(check_project, TAG)
    register(check_as_in_production, TAG, deploy=True)


def check_project(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """What is found in the project as its settings stand."""
    return _run(ALWAYS if settings.DEBUG else (*ALWAYS, *IN_PRODUCTION))


def check_as_in_production(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """What would be found on top if `DEBUG` were off."""
    return _run(IN_PRODUCTION) if settings.DEBUG else []


def _run(checks: Iterable[Check]) -> list[CheckMessage]:
    unreadable: Iterator[CheckMessage] = iter(configuration.check_readable())
    if (message := next(unreadable, None)) is not None:
        return [message]  # all the others would stumble over it
    return list(chain.from_iterable(check() for check in checks))
