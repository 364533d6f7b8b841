"""Forged events, over a real socket: nothing happens, and nothing is answered that helps."""

from __future__ import annotations

import pytest

from tests.security.forgeries import AT_MOST_ITSELF, CASES, FORGERIES, SERVERS_OWN, Attack
from tests.security.servers import NEEDS_COMMITS
from tests.security.world import KINDS, World

pytestmark = [pytest.mark.django_db(transaction=NEEDS_COMMITS), pytest.mark.urls("tests.security.site")]


def test_the_table_is_not_shortened() -> None:
    assert len(FORGERIES) * len(KINDS) == CASES
    assert len({forgery.name for forgery in FORGERIES}) == len(FORGERIES)


@pytest.mark.parametrize("kind", KINDS)
def test_genuine_event_is_handled(world: World, kind: str) -> None:
    answer = world.attack(world.genuine(kind))

    assert answer.statuses == [200]
    assert len(world.handled()) == 1
    world.assert_no_secret(answer)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_forged_event_changes_nothing(world: World, forgery: Attack, kind: str) -> None:
    before = world.rows()

    request = forgery.change(world.genuine(kind))
    answer = world.attack(request)

    assert all(status in forgery.expected for status in answer.statuses or [0]), answer.raw[:300]
    own = request.filled(world.values).encode() if forgery.expected is SERVERS_OWN else b""
    world.assert_no_secret(answer, known=own)
    handled = world.handled()
    if handled:
        assert forgery.expected is AT_MOST_ITSELF
        assert [what.split()[-1] for what in handled] == ["mallory"]
        assert world.row_of_victim(world.rows()) == world.row_of_victim(before)
    else:
        assert world.rows() == before
