"""`TOKEN_BY`: one setting by which pages, tags and the token view move to the subprotocol."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.template import engines
from django.test import Client

from tests.factories import ApiGatewayFactory, UserFactory
from tests.views.stack import Stack
from websocket_gateway.client_config import build_client_config
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.testing.events import DEFAULT_ORIGIN

pytestmark = pytest.mark.django_db


def config_of(tag: str) -> dict[str, Any]:
    rendered = engines["django"].from_string("{% load websocket_gateway %}" + tag).render({})
    found = re.search(r'<script id="websocket-gateway"[^>]*>(.*?)</script>', rendered)
    assert found
    config: dict[str, Any] = json.loads(found[1])
    return config


def token_answer(client: Client) -> dict[str, Any]:
    client.force_login(UserFactory.create())
    answer: dict[str, Any] = client.post("/token/").json()
    return answer


@pytest.mark.urls("tests.views.urls")
@pytest.mark.parametrize("value", [None, "query", "subprotocol"])
def test_pages_tags_and_token_view_follow_the_setting(
    value: str | None, client: Client, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {} if value is None else {"TOKEN_BY": value}
    gateway = ApiGatewayFactory.create()
    expected = "subprotocol" if value == "subprotocol" else None

    assert config_of("{% websocket_client token_url='token' %}").get("tokenBy") == expected
    assert config_of("{% websocket_config token_url='token' %}").get("tokenBy") == expected
    assert build_client_config(gateway).get("tokenBy") == expected
    assert token_answer(client).get("token_by") == expected
    assert config_of("{% websocket_client token_by='query' %}")["tokenBy"] == "query"


@pytest.mark.urls("tests.views.urls")
@pytest.mark.parametrize("value", ["query", "subprotocol"])
def test_both_ways_are_accepted_whatever_the_setting_says(value: str, client: Client, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"TOKEN_BY": value, "ALLOWED_ORIGINS": [DEFAULT_ORIGIN]}
    gateway = ApiGatewayFactory.create()

    for name in ("token", "subprotocol_token"):
        token = token_answer(client)["token"]
        assert Stack(gateway, client=client).connect(**{name: token}).status_code == 200


@pytest.mark.parametrize("value", ["header", "", 1, None, "Query"])
def test_another_value_is_an_error_that_names_the_setting(value: Any, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"TOKEN_BY": value}

    with pytest.raises(ConfigurationError, match="TOKEN_BY") as raised:
        get_settings()
    if isinstance(value, str) and value:
        assert "query" in str(raised.value)
        assert "subprotocol" in str(raised.value)
    with pytest.raises(CommandError, match=r"websocket_gateway\.E001"):
        call_command("check", stderr=StringIO())
