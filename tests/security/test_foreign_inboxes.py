"""Inboxes of other users: at every door, with Django's users and with users of other primary keys."""

from __future__ import annotations

import os
import re

import pytest

from tests.keyed_users.trials import (
    DOORS,
    ada,
    channels,
    eve,
    test_a_deleted_user_leaves_nothing_to_a_later_one,
    test_a_guest_gets_no_further,
    test_code_of_the_project_does_not_move_it_there,
    test_it_waits_and_is_acknowledged,
    test_no_other_user_connects_to_it,
    test_no_other_user_gets_through,
    test_the_owner_gets_through,
)
from tests.support.trials import run_trials
from websocket_gateway.inboxes import name_inbox
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH, validate_channel_name
from websocket_gateway.views import WebSocketView

__all__ = [
    "ada",
    "channels",
    "eve",
    "test_a_deleted_user_leaves_nothing_to_a_later_one",
    "test_a_guest_gets_no_further",
    "test_code_of_the_project_does_not_move_it_there",
    "test_it_waits_and_is_acknowledged",
    "test_no_other_user_connects_to_it",
    "test_no_other_user_gets_through",
    "test_the_owner_gets_through",
]

pytestmark = pytest.mark.django_db(transaction=True)

CASES = 33
"""Each door for another user outside, for one inside, and for the owner."""


def test_the_table_is_not_shortened() -> None:
    assert 3 * len(DOORS) == CASES


@pytest.mark.parametrize("key", ["Address", "Unique"])
def test_users_with_other_primary_keys(key: str) -> None:
    environment = {"STRANGE_KEY": key}
    if os.environ.get("WEBSOCKET_GATEWAY_TEST_DATABASE", "sqlite") != "sqlite":
        name = os.environ.get("WEBSOCKET_GATEWAY_TEST_NAME", "websocket_gateway")
        environment["WEBSOCKET_GATEWAY_TEST_NAME"] = f"{name}_{key.lower()}"

    number = run_trials("tests/keyed_users/trials.py", "--ds=tests.keyed_users.settings", **environment)

    assert number >= 30


def test_each_primary_key_has_a_name_of_its_own_that_views_accept() -> None:
    keys = [
        *(
            "ada@example.com",
            "ada_40example.com",
            "ada_40example_2ecom",
            "ada.example.com",
            "Ada@example.com",
        ),
        *("", " ", "_", "__", "-7", "\u00e4", "a\u0308", "\ud800", "x" * 186, "x" * 187, "@" * 62, "@" * 63),
        "_" + "0" * 64,
        7,
        70,
    ]
    keys += [name_inbox("x" * 500).removeprefix("user_"), "x" * 500, "x" * 501]

    names = [name_inbox(key) for key in keys]

    assert len(set(names)) == len(keys)
    pattern = str(WebSocketView.CHANNEL_NAME_PATTERN)
    for name in names:
        validate_channel_name(name)
        assert len(name) <= CHANNEL_NAME_MAX_LENGTH
        assert re.fullmatch(pattern, name)
    assert (name_inbox(7), name_inbox("a-b")) == ("user_7", "user_a-b")
