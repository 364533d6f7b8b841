"""Probes of one gateway in AWS: is it as it should be, may we post to it?"""

from __future__ import annotations

import secrets
import shlex

from websocket_gateway.aws.connections import get_connections
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.diagnostics.findings import Answer, error, warning
from websocket_gateway.exceptions import (
    AccessDeniedError,
    ConfigurationError,
    ConnectionGoneError,
    InvalidRequestError,
    WebSocketGatewayError,
)
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.gateways import plan_provisioning


def probe_plan(gateway: ApiGateway) -> Answer:
    """Compare API, stage and everything else in AWS with what is wanted: the plan of `sync_routes`."""
    name = gateway.api_name
    try:
        plan = plan_provisioning(gateway).plan
    except (WebSocketGatewayError, ConfigurationError) as exc:
        return Answer(
            findings=(
                error(
                    "E105",
                    f"What AWS has cannot be compared: {exc}",
                    hint=f"Run `manage.py sync_routes {shlex.quote(name)} --check`.",
                    gateway=name,
                ),
            )
        )
    if not plan.drift:
        return Answer(facts=(f"gateway {name}: AWS has what is wanted",))
    kinds = sorted({step.kind.value for step in plan}) or ["leftovers"]
    return Answer(
        findings=(
            warning(
                "W111",
                f"AWS has something else than is wanted: {', '.join(kinds)}.",
                hint=f"Run `manage.py sync_routes {shlex.quote(name)} --dry-run` to see it, then without.",
                gateway=name,
            ),
        )
    )


def probe_posting(gateway: ApiGateway) -> Answer:
    """Post to a connection that does not exist: being told so shows that we may post."""
    name = gateway.api_name
    try:
        get_connections().post(endpoint_of(gateway), secrets.token_urlsafe(11) + "=", b"{}")
    except (ConnectionGoneError, InvalidRequestError):
        return Answer(facts=(f"gateway {name}: messages may be posted",))
    except AccessDeniedError as exc:
        found = error(
            "E106",
            f"Messages may not be posted: {exc}",
            hint="Allow execute-api:ManageConnections on API_ID/STAGE/*/@connections/*, and check that the "
            "row's stage is the deployed one.",
            gateway=name,
        )
    except (WebSocketGatewayError, ConfigurationError) as exc:
        found = error(
            "E107",
            f"Messages cannot be posted: {exc}",
            hint="Check the network from here to the endpoint, and ENDPOINT_URL.",
            gateway=name,
        )
    else:
        return Answer()
    return Answer(findings=(found,))
