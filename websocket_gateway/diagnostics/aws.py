"""Probes of one gateway in AWS: does it match what is wanted, and do we have permission to post?"""

from __future__ import annotations

import secrets
import shlex

from django.core.checks import CheckMessage

from websocket_gateway.aws.connections import get_connections
from websocket_gateway.checks.messages import error, fact, warning
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.exceptions import (
    AccessDeniedError,
    ConfigurationError,
    ConnectionGoneError,
    InvalidRequestError,
    WebSocketGatewayError,
)
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.gateways import plan_provisioning


def probe_plan(gateway: ApiGateway) -> list[CheckMessage]:
    """Compare API, stage and everything else in AWS with what is wanted: the plan of `sync_routes`."""
    name = gateway.api_name
    try:
        plan = plan_provisioning(gateway).plan
    except (WebSocketGatewayError, ConfigurationError) as exc:
        return [
            error(
                "E105",
                f"The gateway cannot be compared with AWS: {exc}",
                hint=f"Run `manage.py sync_routes {shlex.quote(name)} --check`.",
                obj=gateway,
            )
        ]
    if not plan.drift:
        return [fact(f"gateway {name}: AWS has what is wanted")]
    kinds = sorted({step.kind.value for step in plan}) or ["leftovers"]
    return [
        warning(
            "W111",
            f"AWS differs from what is wanted: {', '.join(kinds)}.",
            hint=f"Run `manage.py sync_routes {shlex.quote(name)} --dry-run` to see it, then without.",
            obj=gateway,
        )
    ]


def probe_posting(gateway: ApiGateway) -> list[CheckMessage]:
    """Post to a connection that does not exist: an answer of 410 or 400 shows that posting is allowed."""
    try:
        get_connections().post(endpoint_of(gateway), secrets.token_urlsafe(11) + "=", b"{}")
    except (ConnectionGoneError, InvalidRequestError):
        return [fact(f"gateway {gateway.api_name}: messages may be posted")]
    except AccessDeniedError as exc:
        return [
            error(
                "E106",
                f"Posting messages is not allowed: {exc}",
                hint="Allow execute-api:ManageConnections on API_ID/STAGE/*/@connections/*, and check that "
                "the row's stage is the deployed one.",
                obj=gateway,
            )
        ]
    except (WebSocketGatewayError, ConfigurationError) as exc:
        return [
            error(
                "E107",
                f"Messages cannot be posted: {exc}",
                hint="Check the network from here to the endpoint, and ENDPOINT_URL.",
                obj=gateway,
            )
        ]
    return []
