"""The permissions of a user: one rule for the lists of views, for `@requires` and for channels."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from websocket_gateway.auth_backends import has_permissions


class User:
    def __init__(self, *granted: str) -> None:
        self.granted = granted

    def has_perm(self, name: str) -> bool:
        return name in self.granted


@pytest.mark.parametrize(
    ("granted", "any_of", "all_of", "expected"),
    [
        ((), (), (), True),
        ((), ("a",), (), False),
        (("b",), ("a", "b"), (), True),
        (("a",), (), ("a", "b"), False),
        (("a", "b"), (), ("a", "b"), True),
        (("a",), ("a",), ("b",), False),
        (("b",), ("a",), ("b",), False),
        (("a", "b"), ["a", "c"], ["b"], True),
    ],
)
def test_one_of_the_first_and_all_of_the_second(
    granted: tuple[str, ...], any_of: tuple[str, ...], all_of: tuple[str, ...], expected: bool
) -> None:
    assert has_permissions(User(*granted), any_of=any_of, all_of=all_of) is expected


def test_user_of_a_model_without_permissions_has_none() -> None:
    user = SimpleNamespace()

    assert has_permissions(user)
    assert not has_permissions(user, any_of=["a"])
    assert not has_permissions(user, all_of=["a"])
