"""Whose credentials are in use, in which region, and whether our clock agrees with AWS's."""

from __future__ import annotations

from websocket_gateway.aws.clients import has_placeholder_credentials, resolve_region
from websocket_gateway.aws.identity import Caller, ask_caller
from websocket_gateway.conf import get_settings
from websocket_gateway.diagnostics.findings import Answer, Finding, error, warning
from websocket_gateway.exceptions import AWSError, ConfigurationError

_NOTICEABLE_SECONDS = 30
# Signatures are refused from five minutes on.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
_HARMFUL_SECONDS = 240


def probe_credentials() -> Answer:
    """Ask STS who we are; a local endpoint, called without credentials, makes nobody of us."""
    try:
        if has_placeholder_credentials():
            return Answer(facts=(f"no AWS credentials: {get_settings().endpoint_url} needs none",))
        region = resolve_region()
        caller = ask_caller(region)
    except (AWSError, ConfigurationError) as exc:
        return Answer(
            findings=(
                error(
                    "E103",
                    f"AWS does not say whose credentials these are: {exc}",
                    hint="Set AWS_IAM_PROFILE, or give the machine a role; `aws sts get-caller-identity` "
                    "shows what boto3 finds.",
                ),
            )
        )
    return Answer(facts=(f"credentials of {caller.arn}", f"region {region}"), findings=_clock(caller))


def _clock(caller: Caller) -> tuple[Finding, ...]:
    skew = caller.clock_skew_seconds
    which = "ahead of" if skew > 0 else "behind"
    words = f"The clock of this machine is {abs(skew):.0f} s {which} AWS's."
    if abs(skew) >= _HARMFUL_SECONDS:
        return (error("E104", f"{words} AWS refuses calls from five minutes on.", hint="Run an NTP client."),)
    if abs(skew) >= _NOTICEABLE_SECONDS:
        return (warning("W110", words, hint="Run an NTP client."),)
    return ()
