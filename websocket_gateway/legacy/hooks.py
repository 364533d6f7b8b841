"""Names under which django-aws-api-gateway-websockets knew its hooks, and which nobody calls any more.

A view that still defines one would lose a check without a word, or offer it to clients as a handler.
So such a view is an error.
"""

from __future__ import annotations

from typing import Final

from websocket_gateway.exceptions import ConfigurationError

_OURS_ALONE: Final = "leave it out: there is no hook for it"

RETIRED: Final = {
    "_additional_connection_checks": "rename it to additional_connection_checks",
    "_allowed_apigateway": "set aws_api_gateway_id",
    "_check_allowed_hosts": 'set WEBSOCKET_GATEWAY["ALLOWED_ORIGINS"]',
    "_check_host_is_in_origin": 'set WEBSOCKET_GATEWAY["ALLOWED_ORIGINS"]',
    "_check_platform_registered_api_gateways": "set aws_api_gateway_id",
    "_expected_connection_headers": "set required_connection_headers",
    "_expected_headers": "set required_headers",
    "_expected_useragent": "set expected_useragent_prefix",
    "_gateway_secret_valid": _OURS_ALONE,
    "_is_valid_channel_name": "set CHANNEL_NAME_PATTERN or MAX_CHANNEL_NAME_LENGTH",
    "_login_still_holds": _OURS_ALONE,
    "_passes_permission_checks": "override has_any_permission and has_all_permission",
    "_validate_connection_id": _OURS_ALONE,
    "get_channel_permission": "override can_join_channel",
    "invalid_gateway_secret": _OURS_ALONE,
    "route_selection_key_missing": "rename it to handler_selection_key_missing",
}
"""Old hook -> what to do."""


def check_retired(view: type, *, base: type) -> None:
    """Raise `ConfigurationError` if a class between `view` and `base` defines a retired hook."""
    for cls in view.__mro__:
        if cls in base.__mro__:
            continue
        for name in sorted(RETIRED.keys() & vars(cls).keys()):
            raise ConfigurationError(
                f"{cls.__qualname__}.{name} would never be called: {RETIRED[name]}. "
                "See management_docs/moving_over.md."
            )
