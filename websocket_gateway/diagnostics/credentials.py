"""Probe of the AWS credentials, the region, and our clock against that of AWS."""

from __future__ import annotations

from django.core.checks import CheckMessage

from websocket_gateway.aws.clients import has_placeholder_credentials, resolve_region
from websocket_gateway.aws.identity import Caller, ask_caller
from websocket_gateway.checks.messages import error, fact, warning
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import AWSError, ConfigurationError

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
