"""Whether clients will go on trusting the custom domain's certificate."""

from __future__ import annotations

import socket
import ssl
import time

from websocket_gateway.diagnostics.findings import Answer, error, warning
from websocket_gateway.models import ApiGateway

_TIMEOUT_SECONDS = 5.0
_A_DAY = 24 * 60 * 60
# ACM renews its own certificates 60 days before their end; with fewer left, the renewal does not work.
# https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html
_SHORT_DAYS = 30


def probe_certificate(gateway: ApiGateway, *, port: int = 443) -> Answer:
    """Shake hands with the domain as a client does, and see how long its certificate holds."""
    domain, name = gateway.domain_name, gateway.api_name
    try:
        days = (_expiry(domain, port) - time.time()) / _A_DAY
    except ssl.SSLCertVerificationError as exc:
        found = error(
            "E117",
            f"Clients do not trust the certificate of {domain}: {exc.verify_message}.",
            hint="Give the gateway the ARN of an ISSUED certificate that covers the domain, and run "
            "`manage.py sync_routes`.",
            gateway=name,
        )
    except (OSError, UnicodeError) as exc:
        found = error(
            "E118",
            f"{domain} does not answer on port {port}: {type(exc).__name__}.",
            hint="A new domain may need some minutes; else look at DNS, then run `manage.py sync_routes`.",
            gateway=name,
        )
    else:
        if days > _SHORT_DAYS:
            return Answer(facts=(f"gateway {name}: the certificate of {domain} holds for {days:.0f} days",))
        found = warning(
            "W114",
            f"The certificate of {domain} holds for {days:.0f} days only.",
            hint="Look in ACM why it is not renewed: the CNAME that validates it must stay in DNS.",
            gateway=name,
        )
    return Answer(findings=(found,))


def _expiry(host: str, port: int) -> float:
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS) as opened,
        ssl.create_default_context().wrap_socket(opened, server_hostname=host) as shaken,
    ):
        certificate = shaken.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(certificate["notAfter"]))
