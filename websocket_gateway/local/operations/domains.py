"""Custom domain names and API mappings."""

from __future__ import annotations

import re

from websocket_gateway.local.errors import BadRequestError, ConflictError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations.shared import check_tags, page
from websocket_gateway.local.store import DomainRecord, Store, find_in, new_id

HOSTED_ZONE_ID = "ZLOCALGATEWAY00"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAPPING_KEY = re.compile(r"[A-Za-z0-9$_.+!*'()-]{0,300}")
_RESERVED_KEYS = ("ping", "sping")


def create_domain_name(store: Store, located: Wire, body: Wire) -> Wire:
    """CreateDomainName: Regional, TLS 1.2, lower case."""
    name = body["domainName"]
    _check_name(name)
    if name in store.domains:
        raise ConflictError("The domain name you provided already exists.")
    _refuse_unsupported(body)
    domain = {
        "apiMappingSelectionExpression": "$request.basepath",
        "domainName": name,
        "domainNameArn": f"arn:aws:apigateway:us-east-1::/domainnames/{name}",
        "domainNameConfigurations": [_configuration(body.get("domainNameConfigurations"), None)],
        "routingMode": "API_MAPPING_ONLY",
        "tags": check_tags(body.get("tags", {})),
    }
    store.domains[name] = DomainRecord(domain=domain)
    _begin_update(store.domains[name])
    return domain


def get_domain_name(store: Store, located: Wire, body: Wire) -> Wire:
    """GetDomainName: the status is UPDATING at the first read after a change."""
    record = store.find_domain(located["DomainName"])
    if record.asked_before:
        _configuration_of(record)["domainNameStatus"] = "AVAILABLE"
    record.asked_before = True
    return record.domain


def get_domain_names(store: Store, located: Wire, body: Wire) -> Wire:
    """GetDomainNames."""
    return page(store, located, (record.domain for record in store.domains.values()))


def update_domain_name(store: Store, located: Wire, body: Wire) -> Wire:
    """UpdateDomainName: only the certificate can change."""
    record = store.find_domain(located["DomainName"])
    domain = record.domain
    _refuse_unsupported(body)
    if "domainNameConfigurations" in body:
        present = _configuration_of(record)
        if present["domainNameStatus"] == "UPDATING":
            raise ConflictError("The domain name is being updated")
        domain["domainNameConfigurations"] = [_configuration(body["domainNameConfigurations"], present)]
        _begin_update(record)
    return domain


def delete_domain_name(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteDomainName: its mappings are deleted as well."""
    store.find_domain(located["DomainName"])
    del store.domains[located["DomainName"]]
    return {}


def create_api_mapping(store: Store, located: Wire, body: Wire) -> Wire:
    """CreateApiMapping."""
    record = store.find_domain(located["DomainName"])
    mapping = {"apiMappingKey": "", **body, "apiMappingId": new_id(6)}
    _check_mapping(store, record, mapping)
    record.mappings[mapping["apiMappingId"]] = mapping
    return mapping


def get_api_mapping(store: Store, located: Wire, body: Wire) -> Wire:
    """GetApiMapping."""
    return _find_mapping(store.find_domain(located["DomainName"]), located)


def get_api_mappings(store: Store, located: Wire, body: Wire) -> Wire:
    """GetApiMappings."""
    return page(store, located, store.find_domain(located["DomainName"]).mappings.values())


def update_api_mapping(store: Store, located: Wire, body: Wire) -> Wire:
    """UpdateApiMapping."""
    record = store.find_domain(located["DomainName"])
    mapping = _find_mapping(record, located)
    changed = {**mapping, **body}
    _check_mapping(store, record, changed)
    mapping.update(changed)
    return mapping


def delete_api_mapping(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteApiMapping."""
    record = store.find_domain(located["DomainName"])
    del record.mappings[_find_mapping(record, located)["apiMappingId"]]
    return {}


def _configuration_of(record: DomainRecord) -> Wire:
    configuration: Wire = record.domain["domainNameConfigurations"][0]
    return configuration


def _begin_update(record: DomainRecord) -> None:
    record.asked_before = False
    _configuration_of(record)["domainNameStatus"] = "UPDATING"


def _check_name(name: str) -> None:
    labels = name.removeprefix("*.").split(".")
    if len(name) > 255 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadRequestError(f"Invalid domain name {name!r}: must be a lower-case host name")


def _refuse_unsupported(body: Wire) -> None:
    if "mutualTlsAuthentication" in body:
        raise BadRequestError("Mutual TLS is not supported for WebSocket APIs")
    if body.get("routingMode", "API_MAPPING_ONLY") != "API_MAPPING_ONLY":
        raise BadRequestError("Routing rules are not supported for WebSocket APIs")


def _configuration(given: list[Wire] | None, present: Wire | None) -> Wire:
    if not given or len(given) != 1:
        raise BadRequestError("Exactly one domain name configuration is required")
    configuration = {
        "apiGatewayDomainName": f"d-{new_id()}.execute-api.local",
        "endpointType": "REGIONAL",
        "hostedZoneId": HOSTED_ZONE_ID,
        "ipAddressType": "ipv4",
        "securityPolicy": "TLS_1_2",
        **(present or {}),
        **given[0],
        "domainNameStatus": "AVAILABLE",
    }
    if configuration["endpointType"] != "REGIONAL":
        raise BadRequestError("Only the endpoint type REGIONAL is supported for WebSocket APIs")
    if configuration["securityPolicy"] != "TLS_1_2":
        raise BadRequestError("The security policy must be TLS_1_2 for WebSocket APIs")
    if not configuration.get("certificateArn", "").startswith("arn:"):
        raise BadRequestError("A certificate ARN is required")
    return configuration


def _find_mapping(record: DomainRecord, located: Wire) -> Wire:
    return find_in(record.mappings, located["ApiMappingId"], "ApiMapping")


def _check_mapping(store: Store, record: DomainRecord, mapping: Wire) -> None:
    key = mapping["apiMappingKey"]
    if not _MAPPING_KEY.fullmatch(key) or key in _RESERVED_KEYS:
        raise BadRequestError(f"Invalid API mapping key {key!r}")
    api = store.find_api(mapping["apiId"])
    find_in(api.stages, mapping["stage"], "Stage")
    for other in record.mappings.values():
        if other["apiMappingKey"] == key and other["apiMappingId"] != mapping["apiMappingId"]:
            raise ConflictError("ApiMapping key already exists for this domain name")


OPERATIONS = {
    "CreateDomainName": create_domain_name,
    "GetDomainName": get_domain_name,
    "GetDomainNames": get_domain_names,
    "UpdateDomainName": update_domain_name,
    "DeleteDomainName": delete_domain_name,
    "CreateApiMapping": create_api_mapping,
    "GetApiMapping": get_api_mapping,
    "GetApiMappings": get_api_mappings,
    "UpdateApiMapping": update_api_mapping,
    "DeleteApiMapping": delete_api_mapping,
}
