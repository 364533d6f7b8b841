"""The custom domain: the domain itself, its mapping to the stage, its records in DNS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.commands.differences.difference import Difference, row
from tests.commands.differences.taken_back import applied_and_taken_back
from tests.support.drift import Site
from websocket_gateway.resources import INSTALLATION_TAG, OPTIONS_TAG, UUID_TAG


def mapping_of(site: Site) -> dict[str, Any]:
    (found,) = site.aws.get_api_mappings(DomainName=site.domain.name)["Items"]
    return dict(found)


def change_mapping(site: Site, **changes: Any) -> None:
    mapping = {"ApiId": site.api_id, "ApiMappingId": mapping_of(site)["ApiMappingId"], **changes}
    site.aws.update_api_mapping(DomainName=site.domain.name, **mapping)


def delete_mapping(site: Site) -> None:
    mapping_id = mapping_of(site)["ApiMappingId"]
    site.aws.delete_api_mapping(DomainName=site.domain.name, ApiMappingId=mapping_id)


def map_another_stage(site: Site) -> None:
    site.aws.create_stage(ApiId=site.api_id, StageName="beta")
    change_mapping(site, Stage="beta")


def map_an_api_that_is_gone(site: Site) -> None:
    # AWS refuses to delete an API that a mapping leads to; a race in AWS might not.
    stored(site).mappings[mapping_of(site)["ApiMappingId"]]["apiId"] = "gone000000"


def map_another_path(site: Site) -> None:
    site.aws.create_api_mapping(
        DomainName=site.domain.name, ApiId=site.api_id, Stage="production", ApiMappingKey="twin"
    )


def map_another_domain(site: Site) -> None:
    """A mapping on a domain of another tool."""
    name = "tf.example.com"
    configuration = {"CertificateArn": site.domain.certificate_arn}
    site.aws.create_domain_name(DomainName=name, DomainNameConfigurations=[configuration])
    site.aws.create_api_mapping(DomainName=name, ApiId=site.api_id, Stage="production")


def stored(site: Site) -> Any:
    """The domain's record in the local gateway's store, for what its control plane would refuse."""
    assert site.handle is not None
    return site.handle.gateway.store.domains[site.domain.name]


def configuration(**changes: Any) -> Callable[[Site], None]:
    def make(site: Site) -> None:
        site.aws.update_domain_name(
            DomainName=site.domain.name,
            DomainNameConfigurations=[{"CertificateArn": site.domain.certificate_arn, **changes}],
        )
        settle(site)

    return make


def stored_configuration(**changes: str) -> Callable[[Site], None]:
    return lambda site: stored(site).domain["domainNameConfigurations"][0].update(changes)


def begin_an_update(site: Site) -> None:
    configuration()(site)
    stored_configuration(domainNameStatus="UPDATING")(site)
    stored(site).asked_before = False


def settle(site: Site) -> None:
    """Wait until the domain is AVAILABLE."""
    while True:
        found = site.aws.get_domain_name(DomainName=site.domain.name)["DomainNameConfigurations"][0]
        if found["DomainNameStatus"] == "AVAILABLE":
            return


def change_certificate(site: Site) -> None:
    assert site.domain.import_certificate is not None
    configuration(CertificateArn=site.domain.import_certificate(site.domain.name))(site)


def arn(site: Site) -> str:
    return site.arn().rpartition("/apis/")[0] + f"/domainnames/{site.domain.name}"


def tag(**tags: str) -> Callable[[Site], None]:
    return lambda site: site.aws.tag_resource(ResourceArn=arn(site), Tags=tags)


def untag(*keys: str) -> Callable[[Site], None]:
    return lambda site: site.aws.untag_resource(ResourceArn=arn(site), TagKeys=list(keys))


def delete_domain(site: Site) -> None:
    site.aws.delete_domain_name(DomainName=site.domain.name)


def delete_record(site: Site) -> None:
    site.domain.change("DELETE", site.domain.record("A"))


def change_record(**changes: str) -> Callable[[Site], None]:
    def make(site: Site) -> None:
        record = site.domain.record("A")
        record["AliasTarget"].update(changes)
        site.domain.change("UPSERT", record)

    return make


def add_ipv6_record(site: Site) -> None:
    site.domain.change("CREATE", {**site.domain.record("A"), "Type": "AAAA"})


def delete_ipv6_record(site: Site) -> None:
    site.configure({**site.options, "IP_ADDRESS_TYPE": "dualstack"})
    assert site.sync().status == 0
    site.domain.change("DELETE", site.domain.record("AAAA"))


TABLE = [
    # The domain
    Difference("domain deleted", delete_domain, "create domain ", 2),
    Difference("certificate", change_certificate, 'certificate_arn: "arn:', 1, needs="certificate"),
    Difference(
        "dual-stack domain", configuration(IpAddressType="dualstack"), 'type: "dualstack" -> "ipv4"', 1
    ),
    Difference(
        "dual-stack domain taken back",
        applied_and_taken_back(IP_ADDRESS_TYPE="dualstack"),
        "update domain ",
        4,
        ("--prune",),
    ),
    Difference(
        "security policy",
        stored_configuration(securityPolicy="TLS_1_0"),
        'security_policy: "TLS_1_0" -> "TLS_1_2"',
        1,
        needs="store",
    ),
    Difference(
        "endpoint type",
        stored_configuration(endpointType="EDGE"),
        'endpoint_type: "EDGE" -> "REGIONAL"',
        1,
        needs="store",
    ),
    Difference("domain is UPDATING", begin_an_update, "it is UPDATING", 0, needs="store"),
    Difference("domain's tag changed", tag(team="ops"), 'tags[team]: "ops" -> "web"', 1),
    Difference("domain's tag removed", untag("team"), 'tags[team]: "web"', 1),
    Difference("domain's mark removed", untag(UUID_TAG), f"tags[{UUID_TAG}]: ", 1),
    Difference("domain's other mark removed", untag(INSTALLATION_TAG), f"tags[{INSTALLATION_TAG}]: ", 1),
    Difference("memory of the domain removed", untag(OPTIONS_TAG), f"tags[{OPTIONS_TAG}]: ", 1),
    Difference("tag gone from the row of a domain", row(tags={}), 'tags[team]: "web" -> null', 6),
    Difference(
        "domain renamed in the row",
        row(domain_name="other.example.com", custom_domain_created=False),
        "an earlier domain of this gateway",
        4,
        ("--prune",),
        "store",
    ),
    # The mapping
    Difference("api mapping deleted", delete_mapping, "create api mapping ", 1),
    Difference("another stage mapped", map_another_stage, 'stage: "beta" -> "production"', 2, ("--prune",)),
    Difference(
        "an API mapped that is gone", map_an_api_that_is_gone, 'api_id: "gone000000" -> ', 1, needs="store"
    ),
    Difference(
        "mapping under another key",
        lambda site: change_mapping(site, ApiMappingKey="moved"),
        "/moved (an earlier path",
        2,
        ("--prune",),
    ),
    Difference("a second path", map_another_path, "/twin (an earlier path", 1, ("--prune",)),
    Difference("key renamed in the row", row(mapping_key="talk"), "(an earlier path", 2, ("--prune",)),
    Difference(
        "a path of another domain",
        map_another_domain,
        "leads to this gateway, which does not name it",
        1,
        ("--prune",),
        "store",
    ),
    # DNS
    Difference("record deleted", delete_record, "create dns record A ", 0, needs="zone"),
    Difference(
        "record elsewhere",
        change_record(DNSName="d-elsewhere.execute-api.eu-west-1.amazonaws.com"),
        'target: "d-elsewhere.',
        0,
        needs="zone",
    ),
    Difference(
        "alias of another zone",
        change_record(HostedZoneId="Z2FDTNDATAQYW2"),
        'target_zone_id: "Z2FDTNDATAQYW2" -> ',
        0,
        needs="store",
    ),
    Difference("IPv6 record missing", delete_ipv6_record, "create dns record AAAA ", 0, needs="zone"),
    Difference(
        "IPv6 record of an IPv4 domain",
        add_ipv6_record,
        "the domain has no IPv6 address",
        0,
        ("--prune",),
        "zone",
    ),
]
