"""API Gateway, ACM and Route 53 behind proxies that kill the command which calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.bench import Bench, open_bench
from tests.support.forks import SIGKILLED
from tests.support.moto import Moto, running_moto
from tests.support.proxy import KillingProxy, Moment, killing_proxy
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.models import ApiGateway

DOMAIN = "ws.example.com"
CREATE = ("create_gateway", "chat", "--target", "https://www.example.com/ws/", "--domain", DOMAIN)


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


@pytest.fixture(name="shared_site", scope="module")
def shared_site_fixture(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
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


@pytest.fixture(name="site")
def site_fixture(shared_site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
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
