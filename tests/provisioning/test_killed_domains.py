"""A gateway with a domain, created and deleted with a kill at every call to each of the services."""

from __future__ import annotations

import pytest

from tests.support.commands import run
from tests.support.killing import DOMAIN, Site, kill_at_every_call, shared_site_fixture, site_fixture
from tests.support.proxy import Moment
from websocket_gateway.models import ApiGateway

__all__ = ["shared_site_fixture", "site_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)

DELETE = ("delete_gateway", "chat", "--no-input")


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
