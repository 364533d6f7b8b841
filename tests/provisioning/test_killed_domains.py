"""A gateway with a domain, created, repaired and deleted with a kill at every call to each service."""

from __future__ import annotations

import pytest

from tests.support.commands import run
from tests.support.killing import DOMAIN, Site, kill_at_every_call, shared_site_fixture, site_fixture
from tests.support.proxy import Moment
from websocket_gateway.models import ApiGateway
from websocket_gateway.resources import INSTALLATION_TAG, UUID_TAG

__all__ = ["shared_site_fixture", "site_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)

DELETE = ("delete_gateway", "chat", "--no-input")
REPAIR = ("sync_routes", "chat", "--prune", "--no-input")


def assert_complete(site: Site) -> None:
    row = ApiGateway.objects.get()
    aws = site.bench.aws
    assert [api["ApiId"] for api in aws.get_apis()["Items"]] == [row.api_id]
    (domain,) = aws.get_domain_names()["Items"]
    (mapping,) = aws.get_api_mappings(DomainName=DOMAIN)["Items"]
    target = domain["DomainNameConfigurations"][0]["ApiGatewayDomainName"]
    records = {key: to.rstrip(".") for key, to in site.moto.records(site.zone).items()}
    assert (mapping["ApiId"], mapping["ApiMappingId"]) == (row.api_id, row.api_mapping_id)
    assert (row.api_gateway_domain_name, row.custom_domain_created) == (target, True)
    assert records == {(DOMAIN, "A"): target}
    assert (row.last_error, row.lease_holder) == ("", "")
    checked = run("sync_routes", "--check")
    assert checked.status == 0, checked


def assert_gone(site: Site) -> None:
    assert not ApiGateway.objects.exists()
    assert site.bench.aws.get_apis()["Items"] == []
    assert site.bench.aws.get_domain_names()["Items"] == []
    assert site.moto.records(site.zone) == {}
    assert "Nothing to do" in run(*DELETE).stdout


@pytest.mark.parametrize(
    ("service", "calls"), [("API Gateway", 15), ("ACM and Route 53", 5)], ids=["apigatewayv2", "others"]
)
def test_creation_with_a_domain_is_finished_by_the_next_run(site: Site, service: str, calls: int) -> None:
    killed = kill_at_every_call(
        site,
        service,
        Moment.BEFORE_REPLY,
        site.create,
        prepare=site.clear,
        verify=lambda: assert_complete(site),
    )

    assert killed >= calls


@pytest.mark.parametrize("moment", [Moment.BEFORE_EFFECT, Moment.BEFORE_REPLY])
@pytest.mark.parametrize(
    ("service", "calls"), [("API Gateway", 6), ("ACM and Route 53", 3)], ids=["apigatewayv2", "others"]
)
def test_a_killed_deletion_is_finished_by_the_next_run(
    site: Site, service: str, calls: int, moment: Moment
) -> None:
    def prepare() -> None:
        site.clear()
        site.disarm()
        assert run(*site.create).status == 0

    killed = kill_at_every_call(
        site, service, moment, DELETE, prepare=prepare, verify=lambda: assert_gone(site)
    )

    assert killed >= calls


@pytest.mark.parametrize("moment", [Moment.BEFORE_EFFECT, Moment.BEFORE_REPLY])
@pytest.mark.parametrize(
    ("service", "calls"), [("API Gateway", 16), ("ACM and Route 53", 4)], ids=["apigatewayv2", "others"]
)
def test_a_killed_repair_is_finished_by_the_next_run(
    site: Site, service: str, calls: int, moment: Moment
) -> None:
    def prepare() -> None:
        """Tags, address type, mapping and records differ."""
        site.clear()
        site.disarm()
        assert run(*site.create).status == 0
        ApiGateway.objects.update(tags={"team": "web"})
        assert run("sync_routes").status == 0
        spoil(site)
        ApiGateway.objects.update(tags={})

    killed = kill_at_every_call(
        site, service, moment, REPAIR, prepare=prepare, verify=lambda: assert_repaired(site)
    )

    assert killed >= calls


def spoil(site: Site) -> None:
    """What somebody may do to a domain by hand."""
    aws, row = site.bench.aws, ApiGateway.objects.get()
    alias = {
        "HostedZoneId": "ZLOCALGATEWAY00",
        "DNSName": row.api_gateway_domain_name,
        "EvaluateTargetHealth": False,
    }
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {"Name": DOMAIN, "Type": "AAAA", "AliasTarget": alias},
        },
        {"Action": "DELETE", "ResourceRecordSet": {"Name": DOMAIN, "Type": "A", "AliasTarget": alias}},
    ]
    site.moto.route53.change_resource_record_sets(HostedZoneId=site.zone, ChangeBatch={"Changes": changes})
    aws.create_api_mapping(DomainName=DOMAIN, ApiId=row.api_id, Stage="production", ApiMappingKey="twin")
    aws.delete_api_mapping(DomainName=DOMAIN, ApiMappingId=row.api_mapping_id)
    record = site.bench.gateway.gateway.store.domains[DOMAIN]
    record.domain["domainNameConfigurations"][0]["securityPolicy"] = "TLS_1_0"


def assert_repaired(site: Site) -> None:
    assert_complete(site)
    domain = site.bench.aws.get_domain_name(DomainName=DOMAIN)
    assert set(domain["Tags"]) == {UUID_TAG, INSTALLATION_TAG}
    assert domain["DomainNameConfigurations"][0]["SecurityPolicy"] == "TLS_1_2"
