"""URLs derived from what AWS answered."""

from __future__ import annotations

import pytest
from django.test import override_settings

from websocket_gateway.aws.endpoints import management_endpoint, region_in, socket_url

AWS = "wss://a1b2c3.execute-api.eu-central-1.amazonaws.com"
LOCAL = "ws://127.0.0.1:9000/_api/a1b2c3"


@pytest.mark.parametrize(
    ("api_endpoint", "url", "region"),
    [
        (AWS, "https://a1b2c3.execute-api.eu-central-1.amazonaws.com/live", "eu-central-1"),
        (
            "wss://a1b2c3.execute-api.cn-north-1.amazonaws.com.cn",
            "https://a1b2c3.execute-api.cn-north-1.amazonaws.com.cn/live",
            "cn-north-1",
        ),
        (
            "wss://a1b2c3.execute-api.eusc-de-east-1.amazonaws.eu",
            "https://a1b2c3.execute-api.eusc-de-east-1.amazonaws.eu/live",
            "eusc-de-east-1",
        ),
        (LOCAL, "http://127.0.0.1:9000/_api/a1b2c3/live", "eu-west-2"),
    ],
)
def test_the_management_endpoint_follows_the_stored_one(api_endpoint: str, url: str, region: str) -> None:
    endpoint = management_endpoint(api_endpoint=api_endpoint, stage_name="live", region_name="eu-west-2")

    assert (endpoint.url, endpoint.region) == (url, region)


@override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": "http://127.0.0.1:9999"})
def test_with_an_endpoint_url_aws_itself_is_never_called() -> None:
    found = management_endpoint(api_endpoint=AWS, stage_name="live", region_name="")

    assert found.url == "http://127.0.0.1:9999/live"


@override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": "http://127.0.0.1:9999"})
def test_a_local_gateway_that_moved_to_another_port_is_found_there() -> None:
    found = management_endpoint(api_endpoint=LOCAL, stage_name="live", region_name="")

    assert found.url == "http://127.0.0.1:9999/_api/a1b2c3/live"


def test_the_region_is_read_from_aws_addresses_only() -> None:
    assert region_in(AWS) == "eu-central-1"
    assert region_in("wss://a1b2c3.execute-api.localhost.localstack.cloud:4566") == ""
    assert region_in(LOCAL) == ""


def test_the_socket_url_is_the_endpoint_with_the_stage() -> None:
    assert socket_url(api_endpoint=AWS, stage_name="live") == f"{AWS}/live"
