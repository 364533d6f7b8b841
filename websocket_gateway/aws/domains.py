"""Custom domain names and their API mappings.

https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-custom-domain-names.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from websocket_gateway.aws.calls import Calls
from websocket_gateway.aws.clients import partition_of
from websocket_gateway.aws.shapes import answered
from websocket_gateway.exceptions import NotFoundError
from websocket_gateway.resources import ApiMapping, Domain, frozen

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2.type_defs import (
        ApiMappingTypeDef,
        DomainNameConfigurationOutputTypeDef,
        DomainNameTypeDef,
    )


class Domains(Calls):
    """The calls about domains in one region. CreateDomainName is limited to one in 30 seconds."""

    def find_domain(self, name: str) -> Domain | None:
        """The domain of that name; None if this account and region have none."""
        try:
            return _read_domain(self.call("get_domain_name", DomainName=name))
        except NotFoundError:
            return None

    def list_domains(self) -> tuple[Domain, ...]:
        """Every domain of the account in this region."""
        return tuple(_read_domain(item) for item in self.pages("get_domain_names"))

    def create_domain(self, domain: Domain) -> Domain:
        """Create a Regional domain; its tags are part of the call, so it can be found again."""
        answer = self.create(
            "create_domain_name",
            DomainName=domain.domain_name,
            DomainNameConfigurations=[_configuration(domain)],
            Tags=dict(domain.tags),
        )
        return _read_domain(answer)

    def update_domain(self, domain: Domain) -> Domain:
        """Set certificate and address type; the domain is UPDATING for some minutes afterwards."""
        answer = self.call(
            "update_domain_name",
            DomainName=domain.domain_name,
            DomainNameConfigurations=[_configuration(domain)],
        )
        return _read_domain(answer)

    def tag_domain(self, name: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags of a domain."""
        self.call("tag_resource", ResourceArn=self._arn(name), Tags=dict(tags))

    def untag_domain(self, name: str, keys: Iterable[str]) -> None:
        """Remove tags of a domain."""
        self.call("untag_resource", ResourceArn=self._arn(name), TagKeys=list(keys))

    def delete_domain(self, name: str) -> None:
        """Delete a domain with its mappings."""
        self.delete("delete_domain_name", DomainName=name)

    def list_mappings(self, name: str) -> tuple[ApiMapping, ...]:
        """Every mapping of a domain."""
        return tuple(_read_mapping(item) for item in self.pages("get_api_mappings", DomainName=name))

    def create_mapping(self, name: str, mapping: ApiMapping) -> str:
        """Map a path of the domain to a stage; returns the mapping's id."""
        answer = self.create(
            "create_api_mapping",
            DomainName=name,
            ApiId=mapping.api_id,
            ApiMappingKey=mapping.api_mapping_key,
            Stage=mapping.stage,
        )
        return answered(answer, "ApiMappingId")

    def update_mapping(self, name: str, mapping: ApiMapping) -> None:
        """Map a path of the domain to another stage."""
        self.call(
            "update_api_mapping",
            DomainName=name,
            ApiMappingId=mapping.api_mapping_id,
            ApiId=mapping.api_id,
            ApiMappingKey=mapping.api_mapping_key,
            Stage=mapping.stage,
        )

    def delete_mapping(self, name: str, api_mapping_id: str) -> None:
        """Delete the mapping of a path."""
        self.delete("delete_api_mapping", DomainName=name, ApiMappingId=api_mapping_id)

    def _arn(self, name: str) -> str:
        return f"arn:{partition_of(self.region)}:apigateway:{self.region}::/domainnames/{name}"


def _configuration(domain: Domain) -> dict[str, str]:
    configuration = {
        "CertificateArn": domain.certificate_arn,
        "EndpointType": domain.endpoint_type,
        "SecurityPolicy": domain.security_policy,
    }
    if domain.ip_address_type is not None:
        configuration["IpAddressType"] = domain.ip_address_type
    return configuration


def _read_domain(item: DomainNameTypeDef) -> Domain:
    configurations: list[DomainNameConfigurationOutputTypeDef] = item.get("DomainNameConfigurations") or [{}]
    configuration = configurations[0]
    return Domain(
        domain_name=answered(item, "DomainName"),
        certificate_arn=configuration.get("CertificateArn") or "",
        endpoint_type=configuration.get("EndpointType") or "",
        security_policy=configuration.get("SecurityPolicy") or "",
        ip_address_type=configuration.get("IpAddressType") or "ipv4",
        target=configuration.get("ApiGatewayDomainName") or "",
        target_zone_id=configuration.get("HostedZoneId") or "",
        domain_name_status=configuration.get("DomainNameStatus") or "AVAILABLE",
        domain_name_status_message=configuration.get("DomainNameStatusMessage") or "",
        tags=frozen(item.get("Tags") or {}),
    )


def _read_mapping(item: ApiMappingTypeDef) -> ApiMapping:
    return ApiMapping(
        api_mapping_id=answered(item, "ApiMappingId"),
        api_mapping_key=item.get("ApiMappingKey") or "",
        api_id=item.get("ApiId") or "",
        stage=item.get("Stage") or "",
    )
