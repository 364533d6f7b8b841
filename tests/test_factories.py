"""The factories themselves: every one makes a row, in every state."""

from __future__ import annotations

import pytest

from tests import factories


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("factory_class", "traits"),
    [
        pytest.param(factories.UserFactory, {"superuser": True}, id="user"),
        pytest.param(factories.ApiGatewayFactory, {"custom_domain": True}, id="gateway"),
        pytest.param(factories.ApiGatewayFactory, {"planned": True}, id="planned gateway"),
        pytest.param(factories.ApiGatewayAdditionalRouteFactory, {}, id="route"),
        pytest.param(factories.WebSocketSessionFactory, {"logged_in": True, "stale": True}, id="session"),
        pytest.param(factories.WebSocketSessionFactory, {"ended": True}, id="ended session"),
        pytest.param(factories.ChannelSubscriptionFactory, {}, id="subscription"),
        pytest.param(factories.ChannelPermissionFactory, {}, id="permission"),
        pytest.param(factories.WebSocketTokenFactory, {"expired": True}, id="token"),
        pytest.param(factories.ConnectionRateLimitFactory, {"stale": True}, id="rate limit"),
    ],
)
def test_factory_makes_a_row_that_is_saved(factory_class: type, traits: dict[str, bool]) -> None:
    row = factory_class(**traits)

    assert row.pk is not None
