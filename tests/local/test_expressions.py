"""Route selection expressions: what a message evaluates to, and what is no expression."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_gateway.local.errors import BadRequestError
from websocket_gateway.local.routing import check_expression, evaluate, select_route_key


@pytest.mark.parametrize(
    ("expression", "message", "expected"),
    [
        ("$request.body.a", '{"a": "x"}', "x"),
        ("$request.body.a", '{"a": 5}', "5"),
        ("$request.body.a", '{"a": true}', "true"),
        ("$request.body.a", '{"a": null}', ""),
        ("$request.body.a", '{"a": {"b": 1}}', '{"b":1}'),
        ("$request.body.a[1].b", '{"a": [0, {"b": "x"}]}', "x"),
        ("$request.body.a[9]", '{"a": [0]}', ""),
        ("${request.body.a['b c']}", '{"a": {"b c": "x"}}', "x"),
        ("${request.body.a}-${request.body.b}", '{"a": "x"}', "x-"),
        ("$request.body.a", "[" * 100_000, "$default"),
        ("\\$default", "x", "$default"),
        ("constant", "x", "constant"),
    ],
)
def test_evaluate(expression: str, message: str, expected: str) -> None:
    assert evaluate(expression, message) == expected


@given(st.text(), st.sampled_from(["$request.body.action", "${request.body.a.b}/x", "$request.body.a[0]"]))
def test_any_text_selects_a_route(message: str, expression: str) -> None:
    assert select_route_key(expression, message, {"$default", "chat"}) in ("$default", "chat")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_any_json_selects_a_route(body: Any) -> None:
    message = json.dumps({"action": body})

    assert select_route_key("$request.body.action", message, {"$connect"}) is None


@pytest.mark.parametrize("expression", ["", " ", "$request.body", "$request.header.x", "$context.x", "${x}"])
def test_check_expression_refuses(expression: str) -> None:
    with pytest.raises(BadRequestError):
        check_expression(expression)
