"""A gateway with a domain, created and deleted with a kill at every call to each of the services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.bench import Bench, open_bench
from tests.support.commands import run
from tests.support.forks import SIGKILLED
from tests.support.moto import Moto, running_moto
from tests.support.proxy import KillingProxy, Moment, killing_proxy
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = "ws.example.com"
CREATE = ("create_gateway", "chat", "--target", "https://www.example.com/ws/", "--domain", DOMAIN)
DELETE = ("delete_gateway", "chat", "--no-input")


@dataclass(frozen=True)
class Site:
    """API Gateway behind one proxy that kills, ACM and Route 53 behind another."""

    bench: Bench
    moto: Moto
    others: KillingProxy
    zone: str

    @property
    def create(self) -> tuple[str, ...]:
        return (*CREATE, "--hosted-zone-id", self.zone)

    def proxy(self, service: str) -> KillingProxy:
        return self.bench.proxy if service == "API Gateway" else self.others

    def disarm(self) -> None:
        self.bench.proxy.disarm()
        self.others.disarm()

    def run(self, *argv: str) -> None:
        self.disarm()
        status, output = self.bench.commands.run(*argv)
        assert status == 0, output

    def clear(self) -> None:
        ApiGateway.objects.all().delete()
        self.bench.gateway.gateway.store.apis.clear()
        self.bench.gateway.gateway.store.domains.clear()
        for (name, kind), target in self.moto.records(self.zone).items():
            alias = {"HostedZoneId": "ZLOCALGATEWAY00", "DNSName": target, "EvaluateTargetHealth": False}
            entry = {"Name": name, "Type": kind, "AliasTarget": alias}
            self.moto.route53.change_resource_record_sets(
                HostedZoneId=self.zone,
                ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": entry}]},
            )


@pytest.fixture(scope="module")
def shared_site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }.items():
            patch.setenv(name, value)
        moto = stack.enter_context(running_moto())
        others = stack.enter_context(killing_proxy(int(moto.url.rpartition(":")[2])))
        for service in ("ACM", "ROUTE_53", "STS"):
            patch.setenv(f"AWS_ENDPOINT_URL_{service}", others.url)
        forget_clients()
        bench = stack.enter_context(open_bench(tmp_path_factory.mktemp("commands")))
        moto.import_certificate(DOMAIN)
        yield Site(bench=bench, moto=moto, others=others, zone=moto.create_zone("example.com"))


@pytest.fixture
def site(shared_site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": shared_site.bench.gateway.endpoint_url}
    shared_site.disarm()
    return shared_site


def kill_at_every_call(
    site: Site,
    service: str,
    moment: Moment,
    argv: tuple[str, ...],
    *,
    prepare: Callable[[], None],
    verify: Callable[[], None],
) -> int:
    """Kill `argv` at the first call, the second, and so on until it lives; each time it is then run again."""
    call = 0
    while True:
        call += 1
        prepare()
        site.disarm()
        proxy = site.proxy(service)
        proxy.arm(call, moment)
        proxy.aim(site.bench.commands.start(*argv))
        status, output = site.bench.commands.wait()
        if status != SIGKILLED:
            assert status == 0, output
            verify()
            return call - 1
        site.run(*argv)
        verify()


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
