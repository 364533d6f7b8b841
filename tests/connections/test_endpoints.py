"""The address of a gateway for clients, and the reason why there is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import ApiGatewayFactory
from websocket_gateway.connections import find_socket_url, why_no_socket_url

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="stage"),
        pytest.param({"custom_domain": True}, id="custom domain"),
        pytest.param({"custom_domain": True, "api_endpoint": ""}, id="custom domain alone"),
    ],
)
def test_a_gateway_with_an_address_has_no_reason(values: dict[str, Any]) -> None:
    gateway = ApiGatewayFactory.create(**values)

    assert find_socket_url(gateway).startswith("wss://")
    assert why_no_socket_url(gateway) == ""


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param(
            {"planned": True},
            "Gateway 'big chat' does not exist in AWS yet. Run `manage.py create_gateway 'big chat'`.",
            id="not in AWS",
        ),
        pytest.param(
            {"api_endpoint": "xxx"}, "Gateway 'big chat' has 'xxx' stored as its address", id="text"
        ),
        pytest.param(
            {"custom_domain": True, "installation": "another"},
            "gateway 'big chat' belongs to another installation",
            id="copied database",
        ),
    ],
)
def test_a_gateway_without_an_address_has_a_reason(values: dict[str, Any], reason: str) -> None:
    gateway = ApiGatewayFactory.create(api_name="big chat", **values)

    assert find_socket_url(gateway) == ""
    assert why_no_socket_url(gateway).startswith(reason)
    assert why_no_socket_url(gateway).endswith(".")
