"""Probes of the custom domain: does DNS lead to API Gateway, and do clients trust the certificate?"""

from __future__ import annotations

import socket
import ssl
import time

from django.core.checks import CheckMessage

from websocket_gateway.checks.messages import error, fact, warning
from websocket_gateway.models import ApiGateway

_TIMEOUT_SECONDS = 5.0
_A_DAY = 24 * 60 * 60
# ACM renews its own certificates 60 days before their end; with fewer left, the renewal does not work.
# https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html
_SHORT_DAYS = 30


def probe_dns(gateway: ApiGateway) -> list[CheckMessage]:
    """Resolve the domain and the name that it should be an alias of; they must share an address."""
    domain, target = gateway.domain_name, gateway.api_gateway_domain_name
    found = resolve(domain)
    if not found:
        return [
            error(
                "E108",
                f"DNS has no address for {domain}.",
                hint=f"Make {domain} an alias (A) or CNAME of {target or 'what create_gateway prints'}.",
                obj=gateway,
            )
        ]
    if target and not found & resolve(target):
        return [
            warning(
                "W112",
                f"{domain} resolves to {', '.join(sorted(found))}, which is not an address of {target}.",
                hint=f"Make {domain} an alias (A) or CNAME of {target}; caches may keep the old answer.",
                obj=gateway,
            )
        ]
    return [fact(f"gateway {gateway.api_name}: DNS leads from {domain} to it")]


def resolve(host: str) -> set[str]:
    """The addresses of a host; empty if there are none. Has no time-out of its own."""
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def probe_certificate(gateway: ApiGateway, *, port: int = 443) -> list[CheckMessage]:
    """Shake hands with the domain as a client does, and see for how long its certificate is valid."""
    domain = gateway.domain_name
    try:
        days = (_expiry(domain, port) - time.time()) / _A_DAY
    except ssl.SSLCertVerificationError as exc:
        return [
            error(
                "E117",
                f"Clients do not trust the certificate of {domain}: {exc.verify_message}.",
                hint="Give the gateway the ARN of an ISSUED certificate that covers the domain, and run "
                "`manage.py sync_routes`.",
                obj=gateway,
            )
        ]
    except (OSError, UnicodeError) as exc:
        return [
            error(
                "E118",
                f"{domain} does not answer on port {port}: {type(exc).__name__}.",
                hint="A new domain may need some minutes. If it is older, check DNS and run "
                "`manage.py sync_routes`.",
                obj=gateway,
            )
        ]
    if days > _SHORT_DAYS:
        return [fact(f"gateway {gateway.api_name}: the certificate of {domain} is valid for {days:.0f} days")]
    return [
        warning(
            "W114",
            f"The certificate of {domain} is valid for only {days:.0f} days.",
            hint="Check in ACM why it is not renewed: the CNAME that validates it must stay in DNS.",
            obj=gateway,
        )
    ]


def _expiry(host: str, port: int) -> float:
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS) as opened,
        ssl.create_default_context().wrap_socket(opened, server_hostname=host) as shaken,
    ):
        certificate = shaken.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(certificate["notAfter"]))
