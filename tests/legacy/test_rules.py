"""The other package's channel rules in the words of `ChannelPermission`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_gateway.channels.rules import is_admitted
from websocket_gateway.legacy.rules import express
from websocket_gateway.models import ChannelPermission

A, B, C, D = "app.a", "app.b", "app.c", "app.d"
rule_sets = st.lists(st.frozensets(st.sampled_from([A, B, C, D])), max_size=4)


class Person:
    """A user who is asked about."""

    is_authenticated = True

    def __init__(self, *names: str, active: bool = True, superuser: bool = False) -> None:
        self.names, self.is_active, self.is_superuser = names, active, superuser
        self.is_staff = superuser

    def has_perm(self, name: str) -> bool:
        return self.is_superuser or name in self.names


@pytest.mark.parametrize(
    ("access", "rules", "said"),
    [
        pytest.param("allow_all", [], ("anyone", (), ()), id="everybody"),
        pytest.param("staff_only", [[A]], ("staff", (), ()), id="staff, rules unused"),
        pytest.param("superuser_only", [], ("superuser", (), ()), id="superusers"),
        pytest.param("permissions", [], ("superuser", (), ()), id="no rule"),
        pytest.param("permissions", [[]], ("superuser", (), ()), id="rule without permissions"),
        pytest.param("permissions", [[A]], ("permissions", (), (A,)), id="one"),
        pytest.param("permissions", [[A, B]], ("permissions", (), (A, B)), id="both"),
        pytest.param("permissions", [[A], [B]], ("permissions", (A, B), ()), id="either"),
        pytest.param(
            "permissions", [[A], [B], []], ("permissions", (A, B), ()), id="either, and an empty one"
        ),
        pytest.param(
            "permissions", [[A, B], [A, C]], ("permissions", (B, C), (A,)), id="one common, one of two"
        ),
        pytest.param("permissions", [[A], [A, B]], ("permissions", (), (A,)), id="one contains the other"),
    ],
)
def test_rule_that_one_row_can_say(access: str, rules: list[list[str]], said: Any) -> None:
    found = express(access, [frozenset(rule) for rule in rules])

    assert found is not None
    assert (found.audience, found.any_of, found.all_of) == said


@pytest.mark.parametrize(
    ("rules", "all_of", "alternatives"),
    [
        pytest.param([[A, B], [C]], (), ((A, B), (C,)), id="two or one"),
        pytest.param([[C, D], [B, A]], (), ((A, B), (C, D)), id="two or two"),
        pytest.param([[A, B], [A, C, D]], (A,), ((B,), (C, D)), id="one common, one or two"),
        pytest.param([[A, B], [C], [C, D], []], (), ((A, B), (C,)), id="one contains another"),
    ],
)
def test_rule_that_needs_alternatives(rules: list[list[str]], all_of: Any, alternatives: Any) -> None:
    found = express("permissions", [frozenset(rule) for rule in rules])

    assert found is not None
    assert (found.any_of, found.all_of, found.alternatives) == ((), all_of, alternatives)


def test_access_that_is_not_known_is_not_said() -> None:
    assert express("by_moonlight", []) is None


@given(rules=rule_sets, names=st.frozensets(st.sampled_from([A, B, C, D])))
def test_whatever_is_said_admits_the_very_same_people(
    rules: list[frozenset[str]], names: frozenset[str]
) -> None:
    said = express("permissions", rules)
    assert said is not None
    row = ChannelPermission(
        channel_name="x",
        audience=said.audience,
        any_of=list(said.any_of),
        all_of=list(said.all_of),
        alternatives=[list(names) for names in said.alternatives],
    )
    row.clean_fields()

    admitted = any(rule and rule <= names for rule in rules)

    assert is_admitted(Person(*names), row) is admitted  # type: ignore[arg-type]
    assert is_admitted(Person(superuser=True), row)  # type: ignore[arg-type]
    assert not is_admitted(Person(*names, active=False), row)  # type: ignore[arg-type]
