"""Probes of AWS: credentials, region and clock; the plan of a gateway; the permission to post."""

from __future__ import annotations

import secrets
import shlex

from django.core.checks import CheckMessage

from websocket_gateway.aws.clients import has_placeholder_credentials, resolve_region
from websocket_gateway.aws.connections import get_connections
from websocket_gateway.aws.identity import Caller, ask_caller
from websocket_gateway.checks.messages import error, fact, warning
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.exceptions import (
    AccessDeniedError,
    AWSError,
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
        asked = (
            get_settings().endpoint_url or "AWS"
        )  # with ENDPOINT_URL, such as the local gateway's, not AWS
        return [fact(f"gateway {name}: {asked} has what is wanted")]
    kinds = sorted({step.kind.value for step in plan}) or ["leftovers"]
    # What is not wanted here and left in AWS is deleted with --prune only; else nothing would change.
    command = f"manage.py sync_routes {shlex.quote(name)}{'' if plan.steps else ' --prune'}"
    return [
        warning(
            "W111",
            f"AWS differs from what is wanted: {', '.join(kinds)}.",
            hint=f"Run `{command} --dry-run` to see it, then without --dry-run.",
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


_NOTICEABLE_SECONDS = 30
# Signatures are refused from five minutes on.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
_HARMFUL_SECONDS = 240


def probe_credentials() -> list[CheckMessage]:
    """Ask STS for the caller's identity; a local endpoint is called without credentials and needs none."""
    try:
        if has_placeholder_credentials():
            return [fact(f"no AWS credentials: {get_settings().endpoint_url} needs none")]
        region = resolve_region()
        caller = ask_caller(region)
    except (AWSError, ConfigurationError) as exc:
        return [
            error(
                "E103",
                f"AWS does not accept the credentials: {exc}",
                hint="Set AWS_IAM_PROFILE, or give the machine a role; `aws sts get-caller-identity` "
                "shows what boto3 finds.",
            )
        ]
    return [fact(f"credentials of {caller.arn}"), fact(f"region {region}"), *_clock(caller)]


def _clock(caller: Caller) -> list[CheckMessage]:
    skew = caller.clock_skew_seconds
    which = "ahead of" if skew > 0 else "behind"
    words = f"The clock of this machine is {abs(skew):.0f} s {which} the clock of AWS."
    if abs(skew) >= _HARMFUL_SECONDS:
        return [error("E104", f"{words} AWS refuses calls from five minutes on.", hint="Run an NTP client.")]
    if abs(skew) >= _NOTICEABLE_SECONDS:
        return [warning("W110", words, hint="Run an NTP client.")]
    return []
