"""Whose credentials are in use."""

from __future__ import annotations

from websocket_gateway.aws.errors import translated
from websocket_gateway.aws.session import identity_client, is_loopback
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import AWSError


def caller_account(region: str) -> str:
    """A phrase that names the AWS account of the credentials; says so where it cannot be found out."""
    endpoint_url = get_settings().endpoint_url
    if is_loopback(endpoint_url):
        return f"at {endpoint_url}"
    try:
        with translated("GetCallerIdentity"):
            return f"account {identity_client(region).get_caller_identity()['Account']}"
    except AWSError:
        return "an account that could not be named"
