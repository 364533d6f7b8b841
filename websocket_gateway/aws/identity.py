"""The identity that the credentials belong to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from websocket_gateway.aws.clients import account_client, identity_client
from websocket_gateway.aws.errors import translated
from websocket_gateway.conf import get_settings, is_loopback
from websocket_gateway.exceptions import AWSError


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The identity of the credentials, as AWS sees it."""

    arn: str
    account: str
    clock_skew_seconds: float
    """By how much our clock is ahead of AWS's; 0 where the response has no date."""


def ask_caller(region: str) -> Caller:
    """Ask STS. Raises `AWSError`, and `ConfigurationError` where there are no credentials."""
    with translated("GetCallerIdentity"):
        answer = identity_client(region).get_caller_identity()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        skew = time.time() - parsedate_to_datetime(date).timestamp() if date else 0.0
        return Caller(arn=answer["Arn"], account=answer["Account"], clock_skew_seconds=skew)


def has_log_role(region: str) -> bool | None:
    """Whether API Gateway may write to CloudWatch in `region`; None where that cannot be read.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    try:
        with translated("GetAccount"):
            return bool(account_client(region).get_account().get("cloudwatchRoleArn"))
    except AWSError:
        return None


def caller_account(region: str) -> str:
    """A phrase that names the AWS account of the credentials, or says that it cannot be named."""
    endpoint_url = get_settings().endpoint_url
    if is_loopback(endpoint_url):
        return f"at {endpoint_url}"
    try:
        return f"account {ask_caller(region).account}"
    except AWSError:
        return "an account that could not be named"
