"""Certificates in ACM: which one serves a custom domain, and what keeps one from serving it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils import timezone

from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.certificates import Certificates
from websocket_gateway.aws.clients import certificates_client
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway
from websocket_gateway.resources import Certificate

_NOT_ISSUED: Final[Mapping[str, str]] = {
    "PENDING_VALIDATION": "create the CNAME record that ACM shows for it, and wait until it is ISSUED",
    "VALIDATION_TIMED_OUT": "request a new one, and create the CNAME record that ACM shows within 72 hours",
    "EXPIRED": "request a new one",
    "REVOKED": "request a new one",
    "INACTIVE": "request a new one",
    "FAILED": "look in ACM why, and request a new one",
}


def check_certificate(gateway: ApiGateway, arn: str, apis: Apis) -> None:
    """Raise `ConfigurationError` unless the certificate can serve the domain."""
    where = f"Gateway {gateway.api_name!r}: certificate {arn}"
    parts = arn.split(":")
    if len(parts) < 6 or parts[2] != "acm":
        example = "arn:aws:acm:REGION:ACCOUNT:certificate/ID"
        raise ConfigurationError(f"{where} is not an ARN of ACM, such as {example}.")
    if parts[3] != apis.region:
        raise ConfigurationError(
            f"{where} is in {parts[3]}, and the gateway in {apis.region}. "
            f"Request or import it in {apis.region}."
        )
    found = _certificates(apis).find_certificate(arn)
    if found is None:
        raise ConfigurationError(f"{where} does not exist in this account. Correct --certificate-arn.")
    if problem := problem_of(found, gateway.domain_name):
        raise ConfigurationError(f"{where} {problem}.")


def problem_of(certificate: Certificate, name: str) -> str:
    """Why a certificate cannot serve `name`; empty if it can."""
    if certificate.status != "ISSUED":
        advice = _NOT_ISSUED.get(certificate.status, "look in ACM why")
        return f"is {certificate.status or 'of no known status'}, not ISSUED: {advice}"
    if certificate.not_after is not None and certificate.not_after <= timezone.now():
        return f"expired on {certificate.not_after:%Y-%m-%d}: request a new one"
    if not _covers(certificate, name):
        return f"covers {', '.join(certificate.names)} and not {name}: request one that does"
    return ""


def _covers(certificate: Certificate, name: str) -> bool:
    parent = name.partition(".")[2]
    return name in certificate.names or f"*.{parent}" in certificate.names


def find_certificate(gateway: ApiGateway, apis: Apis) -> str:
    """The one certificate in the region that can serve the domain; raises `ConfigurationError` otherwise.

    One that has the name itself is preferred to those that cover it by a wildcard.
    """
    certificates = _certificates(apis)
    found = [certificates.find_certificate(arn) for arn in certificates.issued()]
    serving = [item for item in found if item and not problem_of(item, gateway.domain_name)]
    exact = [item for item in serving if gateway.domain_name in item.names]
    fitting = [item.arn for item in exact or serving]
    if len(fitting) == 1:
        return fitting[0]
    where = f"Gateway {gateway.api_name!r}:"
    if fitting:
        raise ConfigurationError(
            f"{where} {len(fitting)} certificates cover {gateway.domain_name}. Choose one with "
            f"--certificate-arn: {', '.join(fitting)}."
        )
    raise ConfigurationError(
        f"{where} no ISSUED certificate in ACM in {apis.region} covers {gateway.domain_name}. Request one: "
        f"aws acm request-certificate --region {apis.region} --domain-name {gateway.domain_name} "
        "--validation-method DNS"
    )


def _certificates(apis: Apis) -> Certificates:
    return Certificates(
        region=apis.region, client=certificates_client(apis.region), on_wait=apis.on_wait, sleep=apis.sleep
    )
