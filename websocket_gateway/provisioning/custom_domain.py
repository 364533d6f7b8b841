"""Custom domains: what the row wants of one, and what AWS has."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from django.core.exceptions import ValidationError

from websocket_gateway import security_log
from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.clients import dns_client
from websocket_gateway.aws.dns import Dns
from websocket_gateway.aws.domains import Domains
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import (
    AccessDeniedError,
    ConfigurationError,
    ForeignGatewayError,
    NotFoundError,
)
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import accepted_installation_fingerprints
from websocket_gateway.provisioning.certificates import check_certificate, find_certificate
from websocket_gateway.provisioning.plan import Choices
from websocket_gateway.provisioning.planning.domain import mapping_name
from websocket_gateway.provisioning.planning.marks import is_marked, lost_installation, read_tags
from websocket_gateway.resources import (
    INSTALLATION_TAG,
    UUID_TAG,
    AliasRecord,
    ApiMapping,
    Domain,
    ObservedDomain,
    ObservedGateway,
    WantedDomain,
    WantedGateway,
)
from websocket_gateway.validators import validate_domain_name

# CreateDomainName is allowed once in 30 seconds: this waits for four of them.
_DOMAIN_ATTEMPTS: Final = 8


def domains_beside(apis: Apis) -> Domains:
    """The adapter for domains in the region of `apis`, over the same client."""
    return Domains(
        region=apis.region,
        client=apis.client,
        on_wait=apis.on_wait,
        sleep=apis.sleep,
        throttled_attempts=_DOMAIN_ATTEMPTS,
    )


def dns_beside(apis: Apis) -> Dns:
    """The adapter for DNS."""
    return Dns(region=apis.region, client=dns_client(apis.region), on_wait=apis.on_wait, sleep=apis.sleep)


def add_domain(
    gateway: ApiGateway,
    wanted: WantedGateway,
    observed: ObservedGateway,
    apis: Apis,
    *,
    choices: Choices,
) -> tuple[WantedGateway, ObservedGateway]:
    """Both states with the custom domain in them, and with every other domain that leads to the gateway.

    For a gateway that never named one these are notes: its domain may be kept by another tool. Raises
    `ConfigurationError` for a name, certificate or hosted zone that cannot serve, `ForeignGatewayError` for a
    domain of another installation.
    """
    if gateway.domain_name:
        _check_name(gateway)
        seen = _observe(gateway, gateway.domain_name, apis)
        if seen.domain is not None and not choices.adopt:
            _check_owner(gateway, seen.domain)
        observed = replace(observed, domain=seen)
        wanted = replace(wanted, domain=_want(gateway, wanted, seen, apis))
    if gateway.domain_name or gateway.had_domain:
        return wanted, replace(observed, former_domains=_others(gateway, observed, apis))
    if observed.api is None:
        return wanted, observed
    return wanted, replace(observed, domain_notes=tuple(_notes(gateway, observed, apis)))


def observe_every_domain(gateway: ApiGateway, observed: ObservedGateway, apis: Apis) -> ObservedGateway:
    """`observed` with the row's domain, and every other one with our mark or a mapping to its API."""
    name = gateway.domain_name
    seen = _observe(gateway, name, apis, deleting=True) if name else ObservedDomain()
    try:
        others = _others(gateway, observed, apis)
    except AccessDeniedError:
        if gateway.domain_name or gateway.had_domain:
            raise
        others = ()  # a role for gateways without a domain; should there be a mapping, AWS names it
    return replace(observed, domain=seen, former_domains=others)


def mappings_to(apis: Apis, api_id: str, stage: str = "") -> list[str]:
    """The names of all mappings to an API, or to one stage of it."""
    return [
        mapping_name(domain, mapping.api_mapping_key)
        for domain, mappings in _read_domains(apis)
        for mapping in mappings
        if mapping.api_id == api_id and stage in ("", mapping.stage)
    ]


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
        check_certificate(gateway, arn, apis)
    elif not arn:
        arn = find_certificate(gateway, apis)
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


def _observe(gateway: ApiGateway, name: str, apis: Apis, *, deleting: bool = False) -> ObservedDomain:
    domains = domains_beside(apis)
    domain = domains.find_domain(name)
    return ObservedDomain(
        domain=domain,
        mappings=domains.list_mappings(name) if domain else (),
        records=_records(gateway, name, apis, deleting=deleting),
        ownerless=domain is not None and _is_ownerless(domain),
    )


def _is_ownerless(domain: Domain) -> bool:
    """Whether it is this installation's, and its other mark is gone or names a row that is gone."""
    if domain.tags.get(INSTALLATION_TAG) not in accepted_installation_fingerprints():
        return False
    owners = {str(uuid) for uuid in ApiGateway.objects.values_list("uuid", flat=True)}
    return domain.tags.get(UUID_TAG) not in owners


def _records(gateway: ApiGateway, name: str, apis: Apis, *, deleting: bool) -> tuple[AliasRecord, ...]:
    if not gateway.hosted_zone_id:
        return ()
    dns = dns_beside(apis)
    zone = dns.find_zone(gateway.hosted_zone_id)
    where = f"Gateway {gateway.api_name!r}: hosted zone {gateway.hosted_zone_id}"
    if zone is None:
        raise ConfigurationError(f"{where} does not exist in this account. Correct --hosted-zone-id.")
    if name == gateway.domain_name and name != zone.name and not name.endswith(f".{zone.name}"):
        raise ConfigurationError(
            f"{where} is {zone.name}, which does not hold {name}. Correct --hosted-zone-id."
        )
    if zone.is_private and not deleting:
        raise ConfigurationError(
            f"{where} ({zone.name}) is private: only its VPCs resolve {name}, and no client on the internet. "
            "Name the public zone by --hosted-zone-id, or leave it out and create the record by hand."
        )
    return dns.find_records(gateway.hosted_zone_id, name)


def _others(gateway: ApiGateway, observed: ObservedGateway, apis: Apis) -> tuple[ObservedDomain, ...]:
    """Every domain but the row's that carries this gateway's mark, or has a mapping to its API."""
    api_ids = observed.own_api_ids | ({gateway.api_id} - {""})
    found = []
    for domain, mappings in _read_domains(apis, besides=gateway.domain_name):
        ours = is_marked(domain.tags, str(gateway.uuid))
        if ours or any(mapping.api_id in api_ids for mapping in mappings):
            # Without a mark of ours the domain stays, and so do its records.
            records = _records(gateway, domain.domain_name, apis, deleting=True) if ours else ()
            found.append(ObservedDomain(domain=domain, mappings=mappings, records=records))
    return tuple(found)


def _read_domains(apis: Apis, *, besides: str = "") -> Iterator[tuple[Domain, tuple[ApiMapping, ...]]]:
    """Every domain of the account in this region with its mappings: one call where there is none."""
    domains = domains_beside(apis)

    def read(name: str) -> tuple[ApiMapping, ...]:
        try:
            return domains.list_mappings(name)
        except NotFoundError:
            return ()  # deleted since it was listed

    found = {item.domain_name: item for item in domains.list_domains() if item.domain_name != besides}
    for name, mappings in domains.side_by_side(found, read).items():
        yield found[name], mappings


def _notes(gateway: ApiGateway, observed: ObservedGateway, apis: Apis) -> Iterator[str]:
    try:
        others = _others(gateway, observed, apis)
    except AccessDeniedError as exc:
        yield f"mappings of custom domains were not looked for: {exc}"
        return
    for seen in others:
        for mapping in seen.mappings:
            if seen.domain is not None and mapping.api_id in observed.own_api_ids:
                yield (
                    f"api mapping {mapping_name(seen.domain, mapping.api_mapping_key)} leads to this API and "
                    f"is not configured; left alone (--domain {seen.domain.domain_name} would configure it)"
                )


def _check_name(gateway: ApiGateway) -> None:
    try:
        validate_domain_name(gateway.domain_name)
    except ValidationError as exc:
        raise ConfigurationError(f"Gateway {gateway.api_name!r}: {exc.messages[0]}") from exc


def _check_owner(gateway: ApiGateway, domain: Domain) -> None:
    mark = read_tags(domain.tags)
    if mark is None or mark.installation in accepted_installation_fingerprints():
        return
    if lost_installation(mark, str(gateway.uuid)) and not gateway.is_foreign:
        return
    name = shlex.quote(gateway.api_name)
    reason = (
        f"Domain {domain.domain_name!r} belongs to another installation (another SECRET_KEY, or a copied "
        f"database), so gateway {gateway.api_name!r} does not use it. Choose another domain, or adopt it "
        f"together with its API: manage.py create_gateway {name} --adopt API_ID"
    )
    security_log.write("foreign_gateway", reason, gateway=gateway.api_name)
    raise ForeignGatewayError(reason)
