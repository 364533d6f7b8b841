"""Who may join a channel, by its row, the longest prefix's row, or none."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission

from tests.factories import ChannelPermissionFactory, UserFactory
from websocket_gateway.channels import find_channel_permission, may_join

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> dict[str, Any]:
    holder = UserFactory.create()
    holder.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "add_user"]))
    return {
        "nobody": AnonymousUser(),
        "user": UserFactory.create(),
        "inactive": UserFactory.create(inactive=True, is_staff=True, is_superuser=True),
        "staff": UserFactory.create(staff=True),
        "superuser": UserFactory.create(superuser=True),
        "holder": holder,
    }


@pytest.mark.parametrize(
    ("fields", "admitted"),
    [
        pytest.param({"audience": "anyone"}, "nobody user inactive staff superuser holder", id="anyone"),
        pytest.param({"audience": "authenticated"}, "user staff superuser holder", id="logged in"),
        pytest.param({"audience": "staff"}, "staff superuser", id="staff"),
        pytest.param({"audience": "superuser"}, "superuser", id="superuser"),
        pytest.param(
            {"audience": "permissions", "any_of": ["auth.view_user", "auth.delete_user"]},
            "superuser holder",
            id="any of",
        ),
        pytest.param(
            {"audience": "permissions", "all_of": ["auth.view_user", "auth.add_user"]},
            "superuser holder",
            id="all of",
        ),
        pytest.param(
            {"audience": "permissions", "all_of": ["auth.view_user", "auth.delete_user"]},
            "superuser",
            id="all of, one lacking",
        ),
        pytest.param(
            {"audience": "permissions", "any_of": ["auth.view_user"], "all_of": ["auth.delete_user"]},
            "superuser",
            id="both lists hold",
        ),
        pytest.param({"audience": "permissions"}, "", id="no permission named: nobody"),
        pytest.param({"audience": "unheard of"}, "", id="unknown audience: nobody"),
    ],
)
def test_audience_of_a_row(people: dict[str, Any], fields: dict[str, Any], admitted: str) -> None:
    ChannelPermissionFactory.create(channel_name="news", **fields)

    found = {name for name, person in people.items() if may_join(person, "news")}

    assert found == set(admitted.split())


def test_exact_name_wins_then_the_longest_prefix() -> None:
    rows = {
        name: ChannelPermissionFactory.create(channel_name=name) for name in ("*", "orders_*", "orders_eu_*")
    }
    exact = ChannelPermissionFactory.create(channel_name="orders_eu_7")

    assert find_channel_permission("orders_eu_7") == exact
    assert find_channel_permission("orders_eu_8") == rows["orders_eu_*"]
    assert find_channel_permission("orders_us") == rows["orders_*"]
    assert find_channel_permission("orders_") == rows["orders_*"]
    assert find_channel_permission("order") == rows["*"]


def test_names_that_differ_in_case_alone_are_two_channels() -> None:
    ChannelPermissionFactory.create(channel_name="News", audience="superuser")

    assert find_channel_permission("news") is None
    assert find_channel_permission("News") is not None


def test_unlisted_channel_is_as_open_as_the_view_says() -> None:
    assert may_join(AnonymousUser(), "unlisted", allow_unlisted=True)
    assert not may_join(UserFactory.create(superuser=True), "unlisted", allow_unlisted=False)


def test_ruling_a_channel_costs_one_query(django_assert_num_queries: Any) -> None:
    ChannelPermissionFactory.create(channel_name="orders_*")

    with django_assert_num_queries(1):
        may_join(AnonymousUser(), "orders_" + "x" * 180)
