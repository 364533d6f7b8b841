"""What names, URLs and lists must look like: one good and several bad examples for each rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from tests.factories import ApiGatewayFactory
from websocket_gateway import validators as rules

GOOD: list[tuple[Callable[[Any], None], Any]] = [
    (rules.validate_http_url, "https://www.example.com/ws/"),
    (rules.validate_http_url, "http://web:8000/"),
    (rules.validate_http_url, "http://[::1]:8000/ws"),
    (rules.validate_gateway_name, 'чат "one"'),
    (rules.validate_domain_name, "ws.example.com"),
    (rules.validate_domain_name, "xn--bcher-kva.example"),
    (rules.validate_stage_name, "prod_1-a"),
    (rules.validate_route_key, "chat/move"),
    (rules.validate_mapping_key, "v1"),
    (rules.validate_channel_name, "x" * 191),
    (rules.validate_channel_name, "каналы"),
    (rules.validate_tags, {"team": "web", "cost centre": ""}),
    (rules.validate_stage_variables, {"backend_1": "https://www.example.com/ws/?a=1&b=2,3"}),
    (rules.validate_permission_names, ["chat.view_room"]),
    (rules.validate_permission_names, []),
]
BAD: list[tuple[Callable[[Any], None], Any]] = [
    (rules.validate_stage_variables, {"back end": "x"}),
    (rules.validate_stage_variables, {"backend": "x y"}),
    (rules.validate_stage_variables, {"backend": ""}),
    (rules.validate_gateway_name, "chat "),
    (rules.validate_gateway_name, "chat\nroom"),
    (rules.validate_gateway_name, "\x1b[31mchat"),
    (rules.validate_http_url, "https://b\u00fccher.example/ws/"),
    (rules.validate_http_url, "www.example.com"),
    (rules.validate_http_url, "ftp://www.example.com/"),
    (rules.validate_http_url, "https://"),
    (rules.validate_http_url, "https://www.example.com:99999/"),
    (rules.validate_http_url, "https://[::1/"),
    (rules.validate_http_url, "https://me:secret@www.example.com/"),
    (rules.validate_http_url, "https://www.example.com/?a=1"),
    (rules.validate_http_url, "https://www.example.com/#a"),
    (rules.validate_http_url, "https://www.example.com/a b"),
    (rules.validate_http_url, "https://www.example.com/'"),
    (rules.validate_http_url, "https://www.exämple.com/"),
    (rules.validate_domain_name, "WS.example.com"),
    (rules.validate_domain_name, "localhost"),
    (rules.validate_domain_name, "ws.example.com."),
    (rules.validate_domain_name, "b\u00fccher.example"),
    (rules.validate_domain_name, "-ws.example.com"),
    (rules.validate_domain_name, "ws..example.com"),
    (rules.validate_domain_name, "*.example.com"),
    (rules.validate_domain_name, f"{'a' * 64}.example.com"),
    (rules.validate_domain_name, "a." * 127 + "com"),
    (rules.validate_stage_name, "$default"),
    (rules.validate_stage_name, "a" * 129),
    (rules.validate_stage_name, "live\n"),
    (rules.validate_route_key, "$connect"),
    (rules.validate_route_key, ""),
    (rules.validate_mapping_key, "a b"),
    (rules.validate_mapping_key, "a/b"),
    (rules.validate_mapping_key, "ping"),
    (rules.validate_mapping_key, "sping"),
    (rules.validate_mapping_key, "k" * 301),
    (rules.validate_channel_name, ""),
    (rules.validate_channel_name, "x" * 192),
    (rules.validate_channel_name, "a\x00b"),
    (rules.validate_tags, ["team"]),
    (rules.validate_tags, {str(number): "" for number in range(41)}),
    (rules.validate_tags, {"team": 1}),
    (rules.validate_tags, {"": "x"}),
    (rules.validate_tags, {"k" * 129: "x"}),
    (rules.validate_tags, {"team": "v" * 257}),
    (rules.validate_tags, {"team": "a;b"}),
    (rules.validate_tags, {"aws:team": "web"}),
    (rules.validate_tags, {"websocket_gateway:uuid": "mine"}),
    (rules.validate_permission_names, "chat.view_room"),
    (rules.validate_permission_names, ["view_room"]),
    (rules.validate_permission_names, [1]),
]


@pytest.mark.parametrize(("rule", "value"), GOOD)
def test_what_is_right_is_accepted(rule: Callable[[Any], None], value: Any) -> None:
    assert rule(value) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(("rule", "value"), BAD)
def test_what_is_wrong_is_refused_with_a_message(rule: Callable[[Any], None], value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        rule(value)

    assert all(message.endswith(".") for message in caught.value.messages)


def test_a_gateways_default_channel_is_one_that_can_be_sent_to() -> None:
    gateway = ApiGatewayFactory.build(default_channel_name="lob\x00by")

    with pytest.raises(ValidationError) as caught:
        gateway.clean()

    assert list(caught.value.message_dict) == ["default_channel_name"]
    ApiGatewayFactory.build(default_channel_name="lobby").clean()
    ApiGatewayFactory.build(default_channel_name="").clean()
