"""What the local gateway's control plane refuses with, and the custom domain that several tests make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

CERTIFICATE = "arn:aws:acm:eu-west-1:000000000000:certificate/1"
DOMAIN: dict[str, Any] = {
    "DomainName": "ws.example.com",
    "DomainNameConfigurations": [
        {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    ],
}


def refused(call: Callable[[], object]) -> tuple[int, str]:
    """The status and error code that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    return (
        caught.value.response["ResponseMetadata"]["HTTPStatusCode"],
        caught.value.response["Error"]["Code"],
    )


BAD = (400, "BadRequestException")
MISSING = (404, "NotFoundException")
CONFLICT = (409, "ConflictException")
QUOTA = (429, "TooManyRequestsException")
