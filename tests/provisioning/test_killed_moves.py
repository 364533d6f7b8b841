"""A stage, a mapping, a domain's owner and a region, moved with a kill at every call, and moved again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import WebSocketSessionFactory
from tests.support.commands import run
from tests.support.killing import DOMAIN, Site, kill_at_every_call, shared_site_fixture, site_fixture
from tests.support.proxy import Moment
from websocket_gateway.context_headers import STAGE_HEADER
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.resources import UUID_TAG

__all__ = ["shared_site_fixture", "site_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)

CREATE = ("create_gateway", "chat", "--target", "https://www.example.com/ws/")
GREEN = ("create_gateway", "green", "--target", "https://www.example.com/ws/")
MOMENTS = pytest.mark.parametrize("moment", [Moment.BEFORE_EFFECT, Moment.BEFORE_REPLY])


def succeed(*argv: str) -> str:
    ended = run(*argv)
    assert ended.status == 0, ended
    return ended.stdout


def row(name: str = "chat") -> ApiGateway:
    return ApiGateway.objects.get(api_name=name)


def mappings(site: Site, domain: str = DOMAIN) -> list[tuple[str, str, str]]:
    items = site.bench.aws.get_api_mappings(DomainName=domain)["Items"]
    return [(item["ApiMappingKey"], item["ApiId"], item["Stage"]) for item in items]


def kill_everywhere(site: Site, moment: Moment, argv: tuple[str, ...], prepare: Any, verify: Any) -> int:
    def clear_and_prepare() -> None:
        site.clear()
        site.disarm()
        prepare()

    return kill_at_every_call(
        site, "API Gateway", moment, argv, prepare=clear_and_prepare, verify=lambda: verify()
    )


def assert_no_orphan(site: Site, *names: str) -> None:
    """One API for each row, nothing that waits to be done, nothing that is held."""
    assert {item["ApiId"] for item in site.bench.aws.get_apis()["Items"]} == {
        row(name).api_id for name in names
    }
    assert {(item.last_error, item.lease_holder) for item in ApiGateway.objects.all()} == {("", "")}


@MOMENTS
def test_another_stage(site: Site, moment: Moment) -> None:
    def prepare() -> None:
        """A gateway of an earlier version, with an open socket."""
        succeed(*CREATE)
        aws, api_id = site.bench.aws, row().api_id
        name = f"integration.request.header.{STAGE_HEADER}"
        for item in aws.get_integrations(ApiId=api_id)["Items"]:
            changed = {"ApiId": api_id, "IntegrationId": item["IntegrationId"]}
            aws.update_integration(**changed, RequestParameters={name: ""})
        ApiGateway.objects.update(maps_stage=False)
        WebSocketSessionFactory.create(api_gateway=row())

    def verify() -> None:
        assert_no_orphan(site, "chat")
        stages = site.bench.aws.get_stages(ApiId=row().api_id)["Items"]
        assert {stage["StageName"] for stage in stages} == {"production", "v2"}
        assert {stage["DeploymentId"] for stage in stages} == {row().deployment_id}
        assert (row().deployed_stage, row().maps_stage) == ("v2", True)
        assert WebSocketSession.objects.get().stage_name == "production"
        checked = run("sync_routes", "--check")
        assert checked.stdout.startswith("! Unwanted stage production"), checked
        WebSocketSession.objects.all().delete()
        succeed("sync_routes", "--prune", "--no-input")
        assert run("sync_routes", "--check").status == 0

    assert kill_everywhere(site, moment, ("create_gateway", "chat", "--stage", "v2"), prepare, verify) >= 13


@MOMENTS
def test_pruning_a_stage_and_a_mapping_that_was_left_behind(site: Site, moment: Moment) -> None:
    def prepare() -> None:
        aws = site.bench.aws
        arn = site.moto.import_certificate("tf.example.com")
        aws.create_domain_name(
            DomainName="tf.example.com", DomainNameConfigurations=[{"CertificateArn": arn}]
        )
        succeed(*CREATE, "--domain", "tf.example.com", "--certificate-arn", arn)
        succeed("create_gateway", "chat", "--domain", DOMAIN, "--certificate-arn", "", "--stage", "v2")
        site.moto.acm.delete_certificate(CertificateArn=arn)

    def verify() -> None:
        assert_no_orphan(site, "chat")
        assert mappings(site, "tf.example.com") == []
        assert mappings(site) == [("", row().api_id, "v2")]
        assert [stage["StageName"] for stage in site.bench.aws.get_stages(ApiId=row().api_id)["Items"]] == [
            "v2"
        ]
        assert run("sync_routes", "--check").status == 0

    killed = kill_everywhere(site, moment, ("sync_routes", "chat", "--prune", "--no-input"), prepare, verify)
    assert killed >= 12


@MOMENTS
def test_a_mapping_that_moves_to_a_successor(site: Site, moment: Moment) -> None:
    def prepare() -> None:
        succeed(*CREATE, "--domain", DOMAIN)
        succeed(*GREEN)

    def verify() -> None:
        assert_no_orphan(site, "chat", "green")
        assert mappings(site) == [("", row("green").api_id, "production")]
        assert (row("chat").domain_name, row("chat").custom_domain_created) == ("", False)
        assert row("green").custom_domain_created
        assert run("sync_routes", "--check").status == 0

    move = ("create_gateway", "green", "--domain", DOMAIN, "--move-mapping", "--no-input")
    assert kill_everywhere(site, moment, move, prepare, verify) >= 9


@MOMENTS
def test_a_domain_that_survives_its_maker(site: Site, moment: Moment) -> None:
    def prepare() -> None:
        succeed(*CREATE, "--domain", DOMAIN, "--mapping-key", "chat")
        succeed(*GREEN, "--domain", DOMAIN, "--mapping-key", "green")

    def verify() -> None:
        # A run that was killed after all was done has left its lease of the heir, which the next one takes.
        succeed("sync_routes", "green")
        assert_no_orphan(site, "green")
        assert not ApiGateway.objects.filter(api_name="chat").exists()
        assert mappings(site) == [("green", row("green").api_id, "production")]
        owner = site.bench.aws.get_domain_name(DomainName=DOMAIN)["Tags"][UUID_TAG]
        assert owner == str(row("green").uuid)
        assert run("sync_routes", "--check").status == 0

    assert kill_everywhere(site, moment, ("delete_gateway", "chat", "--no-input"), prepare, verify) >= 7


@MOMENTS
def test_a_gateway_that_is_created_again_in_another_region(site: Site, moment: Moment) -> None:
    def prepare() -> None:
        succeed(*CREATE)
        site.bench.aws.delete_api(ApiId=row().api_id)
        host = "wss://gone123456.execute-api.eu-west-1.amazonaws.com"
        ApiGateway.objects.update(api_id="gone123456", api_endpoint=host)

    def verify() -> None:
        assert_no_orphan(site, "chat")
        assert row().region_name == "us-east-1"
        assert run("sync_routes", "--check").status == 0

    again = ("create_gateway", "chat", "--recreate", "--region", "us-east-1", "--no-input")
    assert kill_everywhere(site, moment, again, prepare, verify) >= 14
