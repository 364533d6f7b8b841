"""Whether DNS leads from the custom domain to API Gateway."""

from __future__ import annotations

import socket

from websocket_gateway.diagnostics.findings import Answer, error, warning
from websocket_gateway.models import ApiGateway


def probe_dns(gateway: ApiGateway) -> Answer:
    """Resolve the domain and the name that it should stand for; they share addresses if it does."""
    domain, target = gateway.domain_name, gateway.api_gateway_domain_name
    found = resolve(domain)
    if not found:
        return Answer(
            findings=(
                error(
                    "E108",
                    f"DNS knows no address of {domain}.",
                    hint=f"Make {domain} an alias (A) or CNAME of {target or 'what create_gateway prints'}.",
                    gateway=gateway.api_name,
                ),
            )
        )
    if target and not found & resolve(target):
        return Answer(
            findings=(
                warning(
                    "W112",
                    f"{domain} is {', '.join(sorted(found))}, which is not where {target} is.",
                    hint=f"Make {domain} an alias (A) or CNAME of {target}; caches may keep the old.",
                    gateway=gateway.api_name,
                ),
            )
        )
    return Answer(facts=(f"gateway {gateway.api_name}: DNS leads from {domain} to it",))


def resolve(host: str) -> set[str]:
    """The addresses of a host; none if there are none. Has no time-out of its own."""
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()
