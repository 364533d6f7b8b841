"""The names of hooks of django-aws-api-gateway-websockets that this package does not call.

A view that still defines one would lose a check silently, or offer it to clients as a handler.
So such a view is an error.
"""

from __future__ import annotations

from typing import Final

RETIRED: Final = {
    "BASE_HANDLERS": "list what clients may call in ALLOWED_HANDLERS",
    "CHECK_CONNECT_USERAGENT": "leave it out: the origin secret proves that API Gateway sent a $connect",
    "_add_user_to_request": "leave it out: request.user is the connection's user when permissions are asked",
    "_additional_connection_checks": "rename it to additional_connection_checks",
    "_allowed_apigateway": "set aws_api_gateway_id",
    "_automatic_handlers": "set ALLOWED_HANDLERS or ADDITIONAL_ALLOWED_HANDLERS",
    "_check_allowed_hosts": 'set WEBSOCKET_GATEWAY["ALLOWED_ORIGINS"]',
    "_check_host_is_in_origin": 'set WEBSOCKET_GATEWAY["ALLOWED_ORIGINS"]',
    "_check_platform_registered_api_gateways": "set aws_api_gateway_id",
    "_debug": "log to a logger of your own; the view's own reasons are logged to websocket_gateway.security",
    "_exception_mail_is_due": "leave it out: exceptions are logged to django.request, so set LOGGING",
    "_expected_connection_headers": "set required_connection_headers",
    "_expected_gateway_useragent": "set expected_useragent_prefix",
    "_expected_headers": "set required_headers",
    "_expected_useragent": "set expected_useragent_prefix",
    "_gateway_secret_valid": "leave it out: the secret is derived from SECRET_KEY and always checked",
    "_get_channel_name": "set the channel in connect, and let can_join_channel refuse all others",
    "_get_client_ip": "leave it out: event.source_ip is the address that API Gateway saw",
    "_get_current_class_methods": "set ALLOWED_HANDLERS or ADDITIONAL_ALLOWED_HANDLERS",
    "_is_valid_channel_name": "set CHANNEL_NAME_PATTERN or MAX_CHANNEL_NAME_LENGTH",
    "_load_session": "leave it out: the row is websocket_session; has_any_permission can refuse a message",
    "_login_still_holds": "leave it out: every message looks at is_active and the password",
    "_passes_permission_checks": "override has_any_permission and has_all_permission",
    "_return_bad_request": "raise django.core.exceptions.BadRequest, or return a response",
    "_validate_connection_id": "leave it out: the id is checked when the event is read",
    "get_channel_permission": "override can_join_channel",
    "invalid_gateway_secret": "leave it out: a wrong secret is logged and answered 403",
    "route_selection_key_missing": "rename it to handler_selection_key_missing",
}
"""Old hook, or attribute that decided a check -> what to do."""


def find_retired(view: type, *, base: type) -> list[str]:
    """Return one sentence for every retired hook that the classes between `view` and `base` define."""
    return [
        f"{cls.__qualname__}.{name} would never be {'read' if name.isupper() else 'called'}: {RETIRED[name]}."
        for cls in view.__mro__
        if cls not in base.__mro__
        for name in sorted(RETIRED.keys() & vars(cls).keys())
    ]
