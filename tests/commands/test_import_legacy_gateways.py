"""`import_legacy_gateways`, against tables as the other package leaves them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.crypto import salted_hmac

from tests.commands.legacy import NOTHING, counts
from tests.factories import PASSWORD, ApiGatewayFactory, ChannelPermissionFactory, UserFactory
from tests.legacy import schema
from tests.support.commands import run
from websocket_gateway.legacy.sessions import legacy_session_key_hash
from websocket_gateway.logins import is_session_auth
from websocket_gateway.models import (
    ApiGateway,
    ApiGatewayAdditionalRoute,
    ChannelPermission,
    WebSocketSession,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_database_without_the_old_tables_is_told_so() -> None:
    ended = run("import_legacy_gateways")

    assert (ended.status, ended.stdout) == (1, "")
    assert "has no table 'django_aws_api_gateway_websockets_apigateway'" in ended.stderr


@pytest.mark.usefixtures("old_tables")
def test_empty_tables_are_nothing_to_do() -> None:
    ended = run("import_legacy_gateways")

    assert (ended.status, ended.stdout, ended.stderr) == (0, NOTHING, "")


@pytest.mark.usefixtures("old_tables")
def test_gateway_comes_over_with_all_that_aws_answered_and_one_way() -> None:
    schema.add_gateway(
        api_name="chat",
        api_description="a chat",
        default_channel_name="lobby",
        domain_name="ws.example.com",
        certificate_arn="arn:aws:acm:eu-west-1:123456789012:certificate/1",
        hosted_zone_id="Z1",
        stage_name="live",
        tags={"team": "web"},
        api_id="A1b2C3",
        api_endpoint="wss://A1b2C3.execute-api.eu-west-1.amazonaws.com",
        api_gateway_domain_name="d-1.execute-api.eu-west-1.amazonaws.com",
        api_mapping_id="m1",
        custom_domain_created=True,
    )

    ended = run("import_legacy_gateways")

    assert (ended.status, ended.stdout) == (0, "+ Imported gateway chat (API A1b2C3)\n")
    gateway = ApiGateway.objects.get()
    assert (gateway.api_name, gateway.api_description) == ("chat", "a chat")
    assert (gateway.default_channel_name, gateway.stage_name, gateway.tags) == (
        "lobby",
        "live",
        {"team": "web"},
    )
    assert (gateway.domain_name, gateway.hosted_zone_id) == ("ws.example.com", "Z1")
    assert (gateway.api_id, gateway.api_mapping_id, gateway.deployment_id) == ("A1b2C3", "m1", "d1")
    assert gateway.api_endpoint == "wss://A1b2C3.execute-api.eu-west-1.amazonaws.com"
    assert gateway.api_gateway_domain_name == "d-1.execute-api.eu-west-1.amazonaws.com"
    assert gateway.api_created is True
    assert gateway.custom_domain_created is True
    assert gateway.two_way is False
    assert gateway.imported_on is not None
    assert gateway.last_applied_on is None


@pytest.mark.usefixtures("old_tables")
def test_gateway_that_was_never_created_stays_a_plan() -> None:
    schema.add_gateway(
        api_name="later", api_id="", api_endpoint="", api_created=True, target_base_endpoint=None
    )

    ended = run("import_legacy_gateways")

    assert ended.stdout == "+ Imported gateway later (not in AWS yet)\n"
    assert ended.stderr == (
        "Note: gateway 'later' has no target URL; give it one with create_gateway --target\n"
    )
    assert ApiGateway.objects.get().api_created is False
    assert run("import_legacy_gateways").stdout == NOTHING


@pytest.mark.usefixtures("old_tables")
def test_routes_come_over_one_way() -> None:
    old = schema.add_gateway(api_name="chat")
    schema.add_route(old, "notify", name="Notifications")

    ended = run("import_legacy_gateways")

    assert "+ Imported route notify of gateway chat\n    https://www.example.com/ws/notify\n" in ended.stdout
    route = ApiGatewayAdditionalRoute.objects.get()
    assert (route.name, route.route_key, route.two_way, route.deployed) == (
        "Notifications",
        "notify",
        False,
        True,
    )
    assert route.api_gateway.api_name == "chat"


@pytest.mark.usefixtures("old_tables")
def test_open_sockets_come_over_with_user_and_channel() -> None:
    user = UserFactory.create()
    old = schema.add_gateway()
    schema.add_session(old, "Kxyz=", channel_name="lobby", user_id=user.pk)
    schema.add_session(old, "Lxyz=")

    ended = run("import_legacy_gateways")

    assert "+ Imported live sessions: 2\n" in ended.stdout
    session = WebSocketSession.objects.get(connection_id="Kxyz=")
    assert (session.user, session.channel_name, session.connected) == (user, "lobby", True)
    assert session.api_gateway == ApiGateway.objects.get()
    assert session.created_on < timezone.now() - timedelta(minutes=4)
    assert is_session_auth(session.session_auth_hash, user)
    assert WebSocketSession.objects.get(connection_id="Lxyz=").user is None


@pytest.mark.usefixtures("old_tables")
def test_socket_that_cannot_be_live_or_whose_login_is_over_is_left_out() -> None:
    old = schema.add_gateway()
    schema.add_session(old, "ended", connected=False)
    schema.add_session(old, "old", created_on=timezone.now() - timedelta(hours=3))
    schema.add_session(None, "nowhere")
    schema.add_session(old, "deactivated", user_id=UserFactory.create(inactive=True).pk)
    schema.add_session(old, "no identifier")
    schema.add_session(old, "password-changed", user_id=UserFactory.create().pk, auth_hash="0" * 64)

    ended = run("import_legacy_gateways")

    assert not WebSocketSession.objects.exists()
    assert ended.stdout.endswith("Not imported, because gateway or valid login is missing: 4\n")


@pytest.mark.usefixtures("old_tables")
def test_login_that_still_holds_is_known_by_the_hash_of_the_other_package() -> None:
    user = UserFactory.create()
    salt = "django_aws_api_gateway_websockets.WebSocketSession.auth_hash"
    kept = salted_hmac(salt, user.get_session_auth_hash(), algorithm="sha256").hexdigest()
    schema.add_session(schema.add_gateway(), "K=", user_id=user.pk, auth_hash=kept)

    run("import_legacy_gateways")

    assert WebSocketSession.objects.get().user == user


@pytest.mark.usefixtures("old_tables")
def test_logout_still_ends_the_sockets_of_its_session_and_no_others(
    fake_connections: Any, client: Client
) -> None:
    user = UserFactory.create()
    client.login(username=user.username, password=PASSWORD)
    key = client.session.session_key
    assert key is not None
    old = schema.add_gateway()
    schema.add_session(old, "mine", user_id=user.pk, session_key_hash=legacy_session_key_hash(key))
    schema.add_session(old, "other", user_id=user.pk, session_key_hash=legacy_session_key_hash("another"))
    run("import_legacy_gateways")

    client.logout()

    assert fake_connections.closed == ["mine"]
    assert WebSocketSession.objects.get(connected=True).connection_id == "other"


@pytest.mark.usefixtures("old_tables")
def test_channel_rules_come_over_as_permissions() -> None:
    schema.add_rule("news", "allow_all")
    schema.add_rule("office", "staff_only")
    schema.add_rule("vault", "superuser_only")
    schema.add_rule("desk", "permissions", ("view_user", "view_group"), ("view_user", "add_user"))

    ended = run("import_legacy_gateways")

    assert ended.stdout == (
        "+ Imported channel permission desk (permissions)\n"
        "    all_of: auth.view_user\n"
        "    any_of: auth.add_user, auth.view_group\n"
        "+ Imported channel permission news (anyone)\n"
        "+ Imported channel permission office (staff)\n"
        "+ Imported channel permission vault (superuser)\n"
    )
    desk = ChannelPermission.objects.get(channel_name="desk")
    assert (desk.audience, desk.all_of) == ("permissions", ["auth.view_user"])
    assert desk.any_of == ["auth.add_user", "auth.view_group"]


@pytest.mark.usefixtures("old_tables")
def test_alternatives_of_several_permissions_and_descriptions_come_over() -> None:
    schema.add_rule(
        "desk", "permissions", ("view_user", "add_user"), ("view_group",), description="the front desk"
    )

    ended = run("import_legacy_gateways")

    assert ended.stdout == (
        "+ Imported channel permission desk (permissions)\n"
        "    alternatives: (auth.add_user and auth.view_user) or (auth.view_group)\n"
    )
    desk = ChannelPermission.objects.get()
    assert desk.alternatives == [["auth.add_user", "auth.view_user"], ["auth.view_group"]]
    assert (desk.any_of, desk.all_of, desk.description) == ([], [], "the front desk")


@pytest.mark.usefixtures("old_tables")
def test_rule_that_cannot_be_expressed_stops_everything_and_says_what_to_do() -> None:
    schema.add_gateway()
    schema.add_rule("moon", "by_moonlight")
    schema.add_rule("wild*", "staff_only")

    ended = run("import_legacy_gateways")

    assert ended.status == 1
    assert counts() == (0, 0, 0, 0)
    assert "the rule of channel 'moon' has the access 'by_moonlight'" in ended.stderr
    assert "the rule of channel 'wild*' would be a prefix here" in ended.stderr
    assert "can_join_channel()" in ended.stderr

    ChannelPermissionFactory.create(channel_name="moon", audience="staff")
    ChannelPermissionFactory.create(channel_name="wild*", audience="staff")

    assert run("import_legacy_gateways").status == 0
    assert counts() == (1, 0, 2, 0)


@pytest.mark.usefixtures("old_tables")
def test_rule_holds_for_every_spelling_that_the_database_took_for_the_same_channel() -> None:
    old = schema.add_gateway(default_channel_name="OFFICE")
    schema.add_rule("Office", "staff_only")
    schema.add_session(old, "K=", channel_name="office")
    schema.add_session(old, "L=", channel_name="offices")

    ended = run("import_legacy_gateways")

    expected = {"Office", "office", "OFFICE"} if connection.vendor == "mysql" else {"Office"}
    assert set(ChannelPermission.objects.values_list("channel_name", flat=True)) == expected
    assert ("were one channel" in ended.stderr) is (connection.vendor == "mysql")


@pytest.mark.usefixtures("old_tables")
def test_every_problem_is_named_at_once_and_nothing_is_saved() -> None:
    ApiGatewayFactory.create(api_name="taken", api_id="elsewhere")
    schema.add_gateway(api_name="taken")
    old = schema.add_gateway(api_name="x" * 200, tags=["no", "dict"], target_base_endpoint="ftp://x/")
    schema.add_route(old, "$evil")

    ended = run("import_legacy_gateways", "--format", "json")

    assert (ended.status, ended.stdout) == (1, "")
    lines = ended.stderr.splitlines()
    assert lines[0] == "Nothing was imported:"
    assert any("gateway 'taken' has API old0000001 there and elsewhere here" in line for line in lines)
    assert any("api_name" in line for line in lines)
    assert any("tags" in line for line in lines)
    assert any("target_base_endpoint: 'ftp://x/'" in line for line in lines)
    assert any("'$evil'" in line for line in lines)
    assert counts() == (1, 0, 0, 0)
