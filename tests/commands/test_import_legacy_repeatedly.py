"""`import_legacy_gateways` run again, dry, as JSON, over many rows, or twice at once."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from tests.commands.legacy import NOTHING, counts
from tests.factories import UserFactory
from tests.legacy import schema
from tests.support.commands import run
from tests.threads import run_together
from websocket_gateway.exceptions import LegacyImportError
from websocket_gateway.legacy.importing import apply_import, plan_import
from websocket_gateway.logins import is_session_auth
from websocket_gateway.models import (
    ApiGateway,
    ApiGatewayAdditionalRoute,
    ChannelPermission,
    WebSocketSession,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.usefixtures("old_tables")
def test_second_run_takes_over_only_what_is_new_and_overwrites_nothing() -> None:
    old = schema.add_gateway(api_name="chat")
    schema.add_route(old, "notify")
    schema.add_route(old, "obsolete")
    schema.add_rule("office", "staff_only")
    schema.add_session(old, "one")
    schema.add_session(old, "two")
    run("import_legacy_gateways")
    assert run("import_legacy_gateways").stdout == NOTHING

    ApiGateway.objects.update(api_name="renamed", two_way=True)
    ApiGatewayAdditionalRoute.objects.filter(route_key="obsolete").delete()
    ApiGatewayAdditionalRoute.objects.update(integration_url="https://www.example.com/other")
    ChannelPermission.objects.update(audience="anyone")
    WebSocketSession.objects.filter(connection_id="one").update(connected=False)
    assert run("import_legacy_gateways").stdout == NOTHING

    schema.add_session(old, "three")
    schema.add_route(old, "late")
    ended = run("import_legacy_gateways")

    assert ended.stdout == (
        "+ Imported route late of gateway renamed\n"
        "    https://www.example.com/ws/late\n"
        "+ Imported live sessions: 1\n"
    )
    gateway = ApiGateway.objects.get()
    assert (gateway.api_name, gateway.two_way) == ("renamed", True)
    assert set(gateway.additional_routes.values_list("route_key", "integration_url")) == {
        ("notify", "https://www.example.com/other"),
        ("late", "https://www.example.com/ws/late"),
    }
    assert ChannelPermission.objects.get().audience == "anyone"
    assert not WebSocketSession.objects.get(connection_id="one").connected


@pytest.mark.usefixtures("old_tables")
def test_socket_that_the_old_code_saw_end_after_the_import_ends_here() -> None:
    old = schema.add_gateway()
    session = schema.add_session(old, "K=")
    run("import_legacy_gateways")
    session.connected = False
    session.save()

    ended = run("import_legacy_gateways")

    assert ended.stdout == "- Ended sessions that have ended since: 1\n"
    assert not WebSocketSession.objects.get().connected
    assert run("import_legacy_gateways").stdout == NOTHING


@pytest.mark.usefixtures("old_tables")
def test_dry_run_says_the_same_and_saves_nothing() -> None:
    old = schema.add_gateway(api_name="chat")
    schema.add_route(old, "notify")
    schema.add_rule("office", "staff_only")
    schema.add_session(old, "K=")

    dry = run("import_legacy_gateways", "--dry-run")
    assert counts() == (0, 0, 0, 0)
    done = run("import_legacy_gateways")

    assert dry.status == 0
    assert dry.stdout.replace("Would import", "Imported") == done.stdout
    assert counts() == (1, 1, 1, 1)


@pytest.mark.usefixtures("old_tables")
def test_json_report() -> None:
    old = schema.add_gateway(api_name="chat", api_id="a1", api_endpoint="")
    schema.add_route(old, "notify")
    schema.add_rule("office", "staff_only")
    schema.add_session(old, "K=")
    schema.add_session(None, "nowhere")

    report = json.loads(run("import_legacy_gateways", "--format", "json").stdout)

    note = report.pop("notes")[0]
    assert "has no API endpoint" in note
    assert report == {
        "dry_run": False,
        "gateways": [{"name": "chat", "api_id": "a1"}],
        "routes": [{"gateway": "chat", "route_key": "notify", "url": "https://www.example.com/ws/notify"}],
        "permissions": [
            {"channel_name": "office", "audience": "staff", "any_of": [], "all_of": [], "alternatives": []}
        ],
        "sessions": {"imported": 1, "ended": 0, "left_out": 1},
    }


def test_tables_of_an_older_version_are_read_too() -> None:
    user = UserFactory.create()
    with schema.legacy_tables(schema.Gateway, schema.AdditionalRoute, schema.SessionBefore41):
        old = schema.add_gateway(api_name="chat")
        schema.add_route(old, "notify")
        schema.SessionBefore41._default_manager.create(
            connection_id="K=", api_gateway_id=old.pk, user_id=user.pk
        )

        ended = run("import_legacy_gateways")

    assert ended.status == 0
    assert counts() == (1, 1, 0, 1)
    assert is_session_auth(WebSocketSession.objects.get().session_auth_hash, user)


@pytest.mark.usefixtures("old_tables")
def test_many_sockets_are_taken_over_page_by_page() -> None:
    old = schema.add_gateway()
    now = timezone.now()
    schema.Session._default_manager.bulk_create(
        schema.Session(connection_id=f"K{number}=", api_gateway_id=old.pk, created_on=now, updated_on=now)
        for number in range(2500)
    )

    ended = run("import_legacy_gateways")

    assert ended.stdout.endswith("+ Imported live sessions: 2500\n")
    assert WebSocketSession.objects.count() == 2500


@pytest.mark.usefixtures("old_tables")
def test_two_runs_at_once_import_everything_once() -> None:
    old = schema.add_gateway()
    schema.add_route(old, "notify")
    schema.add_session(old, "K=")

    first, second = run_together(*[lambda: run("import_legacy_gateways")] * 2)

    assert counts() == (1, 1, 0, 1)
    for ended in (first, second):
        assert ended.status == 0 or "another run is importing" in ended.stderr


def test_second_import_of_the_same_plan_says_that_another_run_was_first() -> None:
    with schema.legacy_tables(*schema.TABLES):
        schema.add_gateway()
        plan, same = plan_import(), plan_import()
        apply_import(plan)

        with pytest.raises(LegacyImportError, match="another run is importing"):
            apply_import(same)
