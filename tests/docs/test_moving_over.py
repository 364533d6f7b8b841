"""The page on moving over: nothing that was public there is missing, nothing it leads to is made up."""

from __future__ import annotations

import importlib
import re
from dataclasses import fields
from inspect import get_annotations
from typing import Any

import pytest
from django.core.management import get_commands

from tests.docs.pages import read
from websocket_gateway import models
from websocket_gateway.conf import GatewaySettings
from websocket_gateway.legacy.hooks import RETIRED
from websocket_gateway.security_log import LOGGER
from websocket_gateway.views import WebSocketView

PAGE = read("moving_over.md")
OWN = [models.ApiGateway, models.WebSocketSession, models.ChannelPermission]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ")
]

OLD = {
    "classes": """
        WebSocketView WebSocketTokenView AddWebSocketRouteToContextMixin AppChannelWebSocketMixin ApiGateway
        ApiGatewayAdditionalRoute WebSocketSession WebSocketSessionQuerySet WebSocketToken ConnectionRateLimit
        ChannelPermission ChannelPermissionRule ApiGatewaySyncError
    """,
    "functions and constants": """
        get_boto3_client clear_boto3_client_cache get_region_name serialise_message MAX_MESSAGE_SIZE
        hash_session_key hash_user_auth GATEWAY_SECRET_HEADER get_gateway_secrets push_gateway pull_gateway
        integration_request_parameters validate_integration_host get_allowed_integration_hosts
        run_aws_after_commit collect_deferred_sync_errors BROADCAST_MAX_WORKERS BROADCAST_CONNECT_TIMEOUT
        BROADCAST_READ_TIMEOUT BROADCAST_MAX_ATTEMPTS get_setting get_boolean_setting get_websockets_config
    """,
    "settings": """
        token_rate_limit_per_minute token_expiry_seconds rate_limit_max_attempts rate_limit_window_minutes
        push_changes_to_aws gateway_secret allowed_integration_hosts
    """,
    "attributes": """
        USE_WS_TOKEN RATE_LIMIT_ENABLED RATE_LIMIT_MAX_ATTEMPTS RATE_LIMIT_WINDOW_MINUTES MAX_BODY_SIZE
        MAX_CHANNEL_NAME_LENGTH CHANNEL_NAME_PATTERN ALLOW_UNLISTED_CHANNELS CHECK_PERMISSIONS_ON_CONNECT
        ALLOWED_HANDLERS ADDITIONAL_ALLOWED_HANDLERS BASE_HANDLERS handler_selection_key route_selection_key
        permissions_required all_permissions_required aws_api_gateway_id required_headers
        additional_required_headers required_connection_headers expected_useragent_prefix
        CHECK_CONNECT_USERAGENT debug debug_log SEND_EXCEPTION_MAIL EXCEPTION_MAIL_INTERVAL model body
        websocket_session api_gateway
    """,
    "hooks": """
        connect disconnect default change_channel can_join_channel get_channel_permission has_any_permission
        has_all_permission permission_denied missing_headers invalid_useragent session_not_found
        handler_selection_key_missing route_selection_key_missing invalid_gateway_secret
        _additional_connection_checks
    """,
    "model members": """
        ApiGateway.sessions ApiGateway.route_key ApiGateway.provisioning_status ApiGateway.is_deployed
        ApiGateway.needs_api_creation ApiGateway.needs_custom_domain ApiGateway.effective_provisioning_status
        ApiGateway.create_gateway ApiGateway.create_custom_domain ApiGateway.deploy_api ApiGateway.sync_to_aws
        ApiGateway.sync_from_aws ApiGatewayAdditionalRoute.create_route ApiGatewayAdditionalRoute.update_route
        ApiGatewayAdditionalRoute.delete_route ApiGatewayAdditionalRoute.route_id
        ApiGatewayAdditionalRoute.integration_id WebSocketSession.send_message WebSocketSession.auth_hash
        WebSocketSession.session_key_hash WebSocketSession.request_count WebSocketSession.updated_on
        WebSocketToken.generate_token WebSocketToken.validate_and_consume WebSocketToken.check_rate_limit
        WebSocketToken.cleanup_expired ConnectionRateLimit.check_rate_limit ConnectionRateLimit.record_attempt
        ConnectionRateLimit.cleanup_old_records User.connection_attempts ChannelPermission.access
        ChannelPermission.rules Permission.channel_permission_rules ChannelPermission.description
        ChannelPermission.for_channel ChannelPermission.allows
    """,
    "commands": """
        createApiGateway createCustomDomain updateApiGatewayIntegrations clearWebSocketSessions
        cleanupWebSocketTokens
    """,
}


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def exists(name: str) -> bool:
    """Whether a name of the middle column leads to something."""
    if name.startswith("manage.py "):
        return get_commands().get(name.removeprefix("manage.py ")) == "websocket_gateway"
    if setting := re.fullmatch(r'WEBSOCKET_GATEWAY\["(\w+)"\]', name):
        return setting[1] in {item.name.upper() for item in fields(GatewaySettings) if item.metadata}
    if name.startswith("websocket_gateway."):
        return name == LOGGER or is_importable(name)
    cls, _, member = name.partition(".")
    owner: Any = WebSocketView if cls == "WebSocketView" else getattr(models, cls, None)
    return hasattr(owner, member) or any(member in get_annotations(layer) for layer in owner.__mro__)


def is_importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, member = name.rpartition(".")
        return hasattr(importlib.import_module(module), member)
    return True


@pytest.mark.parametrize("kind", OLD)
def test_every_public_name_of_the_other_package_is_on_the_page(kind: str) -> None:
    first_column = {name for row in ROWS for name in names_in(row[0])}
    on_the_page = first_column | {
        name.rpartition(".")[2] for name in first_column if name.startswith("django_")
    }
    on_the_page |= {name.split()[0] for name in first_column}

    assert [name for name in OLD[kind].split() if name not in on_the_page] == []


def test_every_name_that_the_page_leads_to_exists() -> None:
    made_up = [name for row in ROWS for name in names_in(row[1]) if not exists(name)]

    assert made_up == []


def test_every_name_that_is_an_error_now_stands_in_the_tables() -> None:
    told = {name for row in ROWS if "is an error" in row[2] for name in names_in(row[0])}

    assert told == set(RETIRED)


OLD_CHECKS = ["E001", "E002", "W001", "W002", "W003", "W004", "W005"]
OLD_LOGGERS = ["admin", "models", "sync", "views"]
OLD_ADMIN = """
    ApiGatewayAdmin ApiGatewayAdditionalRouteAdmin ApiGatewayAdditionalRouteInline WebSocketSessionAdmin
    WebSocketTokenAdmin ConnectionRateLimitAdmin ChannelPermissionAdmin ChannelPermissionRuleInline
    SyncErrorMessageMixin create_api_gateway create_custom_domain sync_to_aws sync_from_aws
"""
OLD_PERMISSIONS = [
    "add_apigateway",
    "change_apigateway",
    "view_websocketsession",
    "add_channelpermissionrule",
]


def test_checks_loggers_admin_classes_and_permissions_of_the_other_package_are_on_the_page() -> None:
    first = " ".join(row[0] for row in ROWS)
    told = names_in(first) + [name.rpartition(".")[2] for name in names_in(first)]
    package = "django_aws_api_gateway_websockets"
    wanted = [f"{package}.{name}" for name in [*OLD_CHECKS, *OLD_LOGGERS]]
    wanted += [*OLD_ADMIN.split(), *OLD_PERMISSIONS]

    assert [name for name in wanted if name not in told] == []
    assert "`save(push_to_aws=…)`" in PAGE
    assert "remove_stale_contenttypes" in PAGE


def test_checks_that_the_page_leads_to_are_in_the_list_of_checks() -> None:
    listed = set(re.findall(r"`([EW]\d{3})`", read("checks.md")))
    led_to = {number for row in ROWS for number in re.findall(r"\bwebsocket_gateway\.([EW]\d{3})", row[1])}

    assert led_to
    assert led_to <= listed


def test_permissions_that_the_page_leads_to_exist() -> None:
    own = {
        f"{action}_{model._meta.model_name}" for model in OWN for action in model._meta.default_permissions
    }
    own |= {codename for model in OWN for codename, _ in model._meta.permissions}
    middle = " ".join(row[1] for row in ROWS if "the same, and" in row[1] or "and the like" in row[1])
    led_to = set(re.findall(r"\b[a-z]+_(?:apigateway|websocketsession|channelpermission)\b", middle))

    assert {"provision_apigateway", "send_websocketsession", "add_channelpermission"} <= led_to <= own
