"""The drift table of custom domains. moto is ACM and Route 53."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.commands.differences import DOMAIN_TABLE, Difference
from tests.commands.differences.trial import assert_repaired
from tests.support.commands import run
from tests.support.drift import OPTIONS, Site, build_site
from tests.support.moto import running_moto
from tests.support.places import Place
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def handle() -> Iterator[GatewayHandle]:
    with local_gateway() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """The custom domain, with its certificate and its hosted zone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        with running_moto() as moto:
            for service in ("ACM", "ROUTE_53", "STS"):
                patch.setenv(f"AWS_ENDPOINT_URL_{service}", moto.url)
            forget_clients()
            yield Place(
                name="ws.example.com",
                certificate_arn=moto.import_certificate("*.example.com"),
                import_certificate=moto.import_certificate,
                zone_id=moto.create_zone("example.com"),
                route53=moto.route53,
            )
    forget_clients()


@pytest.fixture
def site(handle: GatewayHandle, place: Place, settings: Any) -> Site:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": handle.endpoint_url, "GATEWAYS": {"chat": OPTIONS}}
    return build_site(handle, settings, place)


def test_a_domain_that_is_as_wanted_is_no_drift(site: Site) -> None:
    ended = run("sync_routes", "chat", "--check")

    assert (ended.status, ended.stderr) == (0, "")
    assert ended.stdout == "Nothing to do: gateway chat is as it should be.\n"


@pytest.mark.parametrize("difference", DOMAIN_TABLE, ids=lambda difference: difference.name)
def test_a_difference_of_the_domain_is_named_repaired_and_gone(site: Site, difference: Difference) -> None:
    assert_repaired(site, difference)
