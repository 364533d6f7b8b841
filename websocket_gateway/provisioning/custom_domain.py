"""Custom domains: what the row wants of one, what AWS has, and which certificate serves it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from django.core.exceptions import ValidationError
from django.utils import timezone

from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.calls import Calls
from websocket_gateway.aws.certificates import Certificates
from websocket_gateway.aws.clients import certificates_client, dns_client
from websocket_gateway.aws.dns import Dns
from websocket_gateway.aws.domains import Domains
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError, ForeignGatewayError
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import accepted_installation_fingerprints
from websocket_gateway.provisioning.choices import Choices
from websocket_gateway.provisioning.planning.marks import read_tags
from websocket_gateway.resources import (
    Certificate,
    Domain,
    ObservedDomain,
    ObservedGateway,
    WantedDomain,
    WantedGateway,
)
from websocket_gateway.validators import validate_domain_name

_Adapter = TypeVar("_Adapter", bound=Calls)
# CreateDomainName is allowed once in 30 seconds: this waits for four of them.
_DOMAIN_ATTEMPTS: Final = 8
_NOT_ISSUED: Final[Mapping[str, str]] = {
    "PENDING_VALIDATION": "create the CNAME record that ACM shows for it, and wait until it is ISSUED",
    "VALIDATION_TIMED_OUT": "request a new one, and create the CNAME record that ACM shows within 72 hours",
    "EXPIRED": "request a new one",
    "REVOKED": "request a new one",
    "INACTIVE": "request a new one",
    "FAILED": "look in ACM why, and request a new one",
}


def domains_beside(apis: Apis) -> Domains:
    """The adapter for domains in the region of `apis`, over the same client."""
    return _beside(apis, Domains, apis.client, throttled_attempts=_DOMAIN_ATTEMPTS)


def certificates_beside(apis: Apis) -> Certificates:
    """The adapter for certificates in the region of `apis`."""
    return _beside(apis, Certificates, certificates_client(apis.region))


def dns_beside(apis: Apis) -> Dns:
    """The adapter for DNS."""
    return _beside(apis, Dns, dns_client(apis.region))


def _beside(apis: Apis, adapter: type[_Adapter], client: Any, **options: Any) -> _Adapter:
    return adapter(region=apis.region, client=client, on_wait=apis.on_wait, sleep=apis.sleep, **options)


def add_domain(
    gateway: ApiGateway,
    wanted: WantedGateway,
    observed: ObservedGateway,
    apis: Apis,
    *,
    choices: Choices,
) -> tuple[WantedGateway, ObservedGateway]:
    """Both states with the custom domain in them; asks AWS only where the row has, or had, a domain.

    Raises `ConfigurationError` for a name, certificate or hosted zone that cannot serve,
    `ForeignGatewayError` for a domain of another installation.
    """
    if gateway.domain_name:
        _check_name(gateway)
        seen = _observe(gateway, gateway.domain_name, apis)
        if seen.domain is not None and not choices.adopt:
            _check_owner(gateway, seen.domain)
        observed = replace(observed, domain=seen)
        wanted = replace(wanted, domain=_want(gateway, wanted, seen, apis))
    if had_domain(gateway):
        observed = replace(observed, former_domains=_former(gateway, apis))
    return wanted, observed


def had_domain(gateway: ApiGateway) -> bool:
    """Whether a domain was made or mapped for this gateway at any time since it was last taken down."""
    return bool(gateway.custom_domain_created or gateway.api_gateway_domain_name)


def observe_every_domain(gateway: ApiGateway, observed: ObservedGateway, apis: Apis) -> ObservedGateway:
    """`observed` with the row's domain and every other one that carries this gateway's mark."""
    seen = _observe(gateway, gateway.domain_name, apis) if gateway.domain_name else ObservedDomain()
    return replace(observed, domain=seen, former_domains=_former(gateway, apis))


def dns_advice(gateway: ApiGateway) -> str:
    """The record to create by hand; empty where there is nothing to do by hand."""
    if not gateway.domain_name or gateway.hosted_zone_id or not gateway.api_gateway_domain_name:
        return ""
    return f"{gateway.domain_name} CNAME {gateway.api_gateway_domain_name}"


def _want(gateway: ApiGateway, wanted: WantedGateway, seen: ObservedDomain, apis: Apis) -> WantedDomain:
    options = get_settings().gateway_options(gateway.api_name)
    present = seen.domain.certificate_arn if seen.domain else ""
    arn = gateway.certificate_arn or present
    if arn != present:
        _check_certificate(gateway, arn, apis)
    elif not arn:
        arn = _find_certificate(gateway, apis)
    return WantedDomain(
        domain=Domain(
            domain_name=gateway.domain_name,
            certificate_arn=arn,
            ip_address_type=options.ip_address_type,
            tags=wanted.api.tags,
        ),
        api_mapping_key=gateway.mapping_key,
        hosted_zone_id=gateway.hosted_zone_id,
    )


def _observe(gateway: ApiGateway, name: str, apis: Apis) -> ObservedDomain:
    domains = domains_beside(apis)
    domain = domains.find_domain(name)
    return ObservedDomain(
        domain=domain,
        mappings=domains.list_mappings(name) if domain else (),
        records=_records(gateway, name, apis),
    )


def _records(gateway: ApiGateway, name: str, apis: Apis) -> Any:
    if not gateway.hosted_zone_id:
        return ()
    dns = dns_beside(apis)
    zone = dns.zone_name(gateway.hosted_zone_id)
    where = f"Gateway {gateway.api_name!r}: hosted zone {gateway.hosted_zone_id}"
    if zone is None:
        raise ConfigurationError(f"{where} does not exist in this account. Correct --hosted-zone-id.")
    if name == gateway.domain_name and name != zone and not name.endswith(f".{zone}"):
        raise ConfigurationError(f"{where} is {zone}, which does not hold {name}. Correct --hosted-zone-id.")
    return dns.find_records(gateway.hosted_zone_id, name)


def _former(gateway: ApiGateway, apis: Apis) -> tuple[ObservedDomain, ...]:
    def is_former(domain: Domain) -> bool:
        mark = read_tags(domain.tags)
        ours = mark is not None and mark.uuid == str(gateway.uuid)
        return ours and domain.domain_name != gateway.domain_name

    names = [item.domain_name for item in domains_beside(apis).list_domains() if is_former(item)]
    return tuple(_observe(gateway, name, apis) for name in names)


def _check_name(gateway: ApiGateway) -> None:
    try:
        validate_domain_name(gateway.domain_name)
    except ValidationError as exc:
        raise ConfigurationError(f"Gateway {gateway.api_name!r}: {exc.messages[0]}") from exc


def _check_owner(gateway: ApiGateway, domain: Domain) -> None:
    mark = read_tags(domain.tags)
    if mark is None or mark.installation in accepted_installation_fingerprints():
        return
    name = shlex.quote(gateway.api_name)
    raise ForeignGatewayError(
        f"Domain {domain.domain_name!r} belongs to another installation (another SECRET_KEY, or a copied "
        f"database), so gateway {gateway.api_name!r} leaves it alone. Choose another domain, or take it over "
        f"together with its API: manage.py create_gateway {name} --adopt API_ID"
    )


def _check_certificate(gateway: ApiGateway, arn: str, apis: Apis) -> None:
    """Raise `ConfigurationError` unless the certificate can serve the domain."""
    where = f"Gateway {gateway.api_name!r}: certificate {arn}"
    parts = arn.split(":")
    if len(parts) < 6 or parts[2] != "acm":
        example = "arn:aws:acm:REGION:ACCOUNT:certificate/ID"
        raise ConfigurationError(f"{where} is no ARN of ACM, such as {example}.")
    if parts[3] != apis.region:
        raise ConfigurationError(
            f"{where} is in {parts[3]}, and the gateway in {apis.region}. "
            f"Request or import it in {apis.region}."
        )
    found = certificates_beside(apis).find_certificate(arn)
    if found is None:
        raise ConfigurationError(f"{where} does not exist in this account. Correct --certificate-arn.")
    if problem := _problem_of(found, gateway.domain_name):
        raise ConfigurationError(f"{where} {problem}.")


def _problem_of(certificate: Certificate, name: str) -> str:
    """What keeps a certificate from serving `name`; empty if nothing does."""
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


def _find_certificate(gateway: ApiGateway, apis: Apis) -> str:
    """The one certificate in the region that can serve the domain; raises `ConfigurationError` otherwise."""
    certificates = certificates_beside(apis)
    fitting = [
        arn
        for arn in certificates.issued()
        if (found := certificates.find_certificate(arn)) and not _problem_of(found, gateway.domain_name)
    ]
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
