"""What the gateways' rows tell: each finding, and the same row without it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from django.test import override_settings

from tests.checks.projects import PRODUCTION, urls
from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory
from websocket_gateway.diagnostics.database import probe_configured_gateways, probe_pinned_views
from websocket_gateway.diagnostics.rows import check_row
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db

GOOD: dict[str, Any] = {"target_base_endpoint": "https://www.example.com/ws/", "region_name": "eu-west-1"}


def findings(gateway: ApiGateway, **overrides: Any) -> list[str]:
    with ExitStack() as stack:
        stack.enter_context(override_settings(**PRODUCTION))
        stack.enter_context(override_settings(**overrides))
        messages = list(check_row(gateway))
    assert all(message.hint for message in messages)
    return [str(message.id).rpartition(".")[2] for message in messages]


@pytest.mark.parametrize(
    ("number", "fields", "overrides"),
    [
        pytest.param("W101", {"target_base_endpoint": "http://www.example.com/ws/"}, {}, id="plain http"),
        pytest.param(
            "W102",
            {"target_base_endpoint": "http://127.0.0.1/ws/"},
            {"SECURE_SSL_REDIRECT": True, "ALLOWED_HOSTS": ["127.0.0.1"]},
            id="a redirect",
        ),
        pytest.param(
            "W103", {"target_base_endpoint": "https://www.example.com/sockets/"}, {}, id="no view there"
        ),
        pytest.param(
            "W103", {"target_base_endpoint": "https://www.example.com/token"}, {}, id="another view"
        ),
        pytest.param("W104", {"target_base_endpoint": "https://api.example.com/ws/"}, {}, id="unknown host"),
        pytest.param(
            "W105", {"route_selection_expression": "$request.body.type"}, {}, id="another key in the row"
        ),
        pytest.param(
            "W105", {}, {"ROOT_URLCONF": urls(route_selection_key="type")}, id="another key in the view"
        ),
        pytest.param("W106", {"planned": True}, {}, id="not in AWS"),
        pytest.param("W107", {"last_error": "CreateRoute: AWS answered 403."}, {}, id="the last error"),
        pytest.param("W109", {"region_name": "us-east-1"}, {}, id="another region"),
        pytest.param(
            "W012",
            {"domain_name": "events.example.com"},
            {"SESSION_COOKIE_DOMAIN": "www.example.com", "ROOT_URLCONF": urls(USE_WS_TOKEN=False)},
            id="a domain that cookies cannot reach",
        ),
    ],
)
def test_a_row_has_the_finding_and_without_the_mistake_it_has_none(
    number: str, fields: dict[str, Any], overrides: dict[str, Any]
) -> None:
    assert findings(ApiGatewayFactory.create(**GOOD)) == []

    found = findings(ApiGatewayFactory.create(**GOOD | fields), **overrides)

    assert found == [number]


def test_additional_routes_are_targets_too() -> None:
    route = ApiGatewayAdditionalRouteFactory.create(integration_url="http://www.example.com/ws/move")

    assert findings(route.api_gateway) == ["W101"]


def test_a_plain_target_on_this_machine_is_nothing_to_speak_of() -> None:
    local = ApiGatewayFactory.create(**GOOD | {"target_base_endpoint": "http://localhost:8000/ws/"})

    assert findings(local, ALLOWED_HOSTS=[], DEBUG=True) == []


def test_view_pinned_to_an_api_without_a_row_is_told() -> None:
    gateway = ApiGatewayFactory.create(api_id="known00001")
    with (
        override_settings(**PRODUCTION),
        override_settings(ROOT_URLCONF=urls(aws_api_gateway_id="a1b2c3d4e5")),
    ):
        (finding,) = probe_pinned_views()
        gateway.api_id = "a1b2c3d4e5"
        gateway.save()
        assert probe_pinned_views() == []

    assert str(finding.id).endswith("W116")
    assert "'a1b2c3d4e5', and no gateway here has that API" in finding.msg
    assert "create_gateway NAME --adopt a1b2c3d4e5" in str(finding.hint)
    with override_settings(**PRODUCTION):
        assert probe_pinned_views() == []


def test_options_of_a_gateway_without_a_row_are_told() -> None:
    ApiGatewayFactory.create(api_name="chat")
    with override_settings(WEBSOCKET_GATEWAY={"GATEWAYS": {"chat": {}, "chta": {"TAGS": {"a": "1"}}}}):
        (finding,) = probe_configured_gateways()

    assert str(finding.id).endswith("W120")
    assert "configures 'chta', and there is no gateway of that name" in finding.msg


def test_a_urlconf_that_cannot_be_read_is_left_to_its_own_finding() -> None:
    gateway = ApiGatewayFactory.create(api_created=True, **GOOD)

    assert findings(gateway, ROOT_URLCONF="no.such.urlconf") == []
