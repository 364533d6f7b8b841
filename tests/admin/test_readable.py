"""What the admin says: addresses, honest states, how to delete, suggestions, texts for people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.utils import timezone

from tests.admin.clients import act, address, client_with, text_of
from tests.admin.test_provisioning import EDITOR, fingerprint_of
from tests.admin.test_rows import form_of
from tests.admin.test_sessions import VIEW, listed
from tests.factories import (
    ApiGatewayAdditionalRouteFactory,
    ApiGatewayFactory,
    BroadcastRunFactory,
    ChannelPermissionFactory,
    ConnectionRateLimitFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.admin.suggestions import MOST_SUGGESTED, known_channels
from websocket_gateway.models import ApiGateway, Channel, ChannelMember, ChannelMessage
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db


def applied(**fields: Any) -> ApiGateway:
    """A gateway that is in AWS as its row says."""
    made: ApiGateway = ApiGatewayFactory.create(deployment_id="d", **fields)
    ApiGateway.objects.update(last_applied_on=timezone.now(), updated_on=timezone.now() - timedelta(hours=1))
    return made


def test_the_address_for_clients_is_on_the_page_and_in_the_list() -> None:
    gateway = applied()
    shown = f"{gateway.api_endpoint}/production"

    assert shown in text_of(client_with(*EDITOR).get(address("apigateway_change", gateway.pk)))
    assert shown in text_of(client_with(*EDITOR).get(address("apigateway_changelist")))


def test_a_gateway_without_an_address_says_why_not() -> None:
    gateway = applied()
    ApiGateway.objects.update(api_endpoint="nonsense")

    assert "which is not a URL" in text_of(client_with(*EDITOR).get(address("apigateway_change", gateway.pk)))


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({}, "manage.py delete_gateway chat"),
        ({"installation": "other"}, "manage.py delete_gateway chat --forget"),
        ({"planned": True}, None),
    ],
)
def test_a_page_says_how_to_delete_what_it_cannot(fields: dict[str, Any], command: str | None) -> None:
    gateway = ApiGatewayFactory.create(api_name="chat", **fields)

    page = text_of(client_with(superuser=True).get(address("apigateway_change", gateway.pk)))

    assert (command is not None and f"<code>{command}</code>" in page) or "deletelink" in page
    assert ("deletelink" in page) is (command is None)


def state_in_list() -> str:
    page = text_of(client_with(*EDITOR).get(address("apigateway_changelist")))
    return page.partition('class="field-state">')[2].partition("</td>")[0]


def test_a_saved_change_is_not_in_aws_until_it_is_applied(django_local_gateway: GatewayHandle) -> None:
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat")
    client, plan = client_with(*EDITOR), address("plan", gateway.pk)
    change = address("apigateway_change", gateway.pk)

    unchanged = {"two_way": "on", "initial-tags": "{}"}  # as a browser sends them

    def apply() -> None:
        client.post(plan, {"fingerprint": fingerprint_of(text_of(client.get(plan)))})

    apply()
    assert state_in_list() == "created"
    gateway.refresh_from_db()
    client.post(change, form_of(gateway, **unchanged))
    assert state_in_list() == "created"
    client.post(change, form_of(gateway, **unchanged, default_channel_name="lobby"))
    assert state_in_list() == "created"
    saved = client.post(
        change, form_of(gateway, api_description="new", default_channel_name="x"), follow=True
    )
    assert "Saved here, not in AWS yet." in text_of(saved)
    assert "changes not in AWS" in state_in_list()
    assert f'href="{plan}"' in state_in_list()
    apply()
    assert state_in_list() == "created"


@pytest.mark.parametrize("changed", ["route", "row"])
def test_what_code_saves_is_a_change_as_well(changed: str) -> None:
    gateway = applied()
    route = ApiGatewayAdditionalRouteFactory.create(api_gateway=gateway, deployed=True)
    ApiGateway.objects.update(last_applied_on=timezone.now())
    assert state_in_list() == "created"

    (route if changed == "route" else ApiGateway.objects.get()).save()

    assert "changes not in AWS" in state_in_list()


def test_a_check_leads_to_the_plan(django_local_gateway: GatewayHandle) -> None:
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat")

    page = text_of(act(client_with(*EDITOR), "compare", gateway))

    assert "AWS differs from what is wanted" in page
    assert f'<a href="{address("plan", gateway.pk)}">Show the plan</a>' in page
    assert "manage.py" not in page


def test_every_form_can_be_left(settings: Any, django_local_gateway: GatewayHandle) -> None:
    gateway, rule = ApiGatewayFactory.create(planned=True), ChannelPermissionFactory.create()
    session = WebSocketSessionFactory.create(api_gateway=gateway)
    client = client_with(superuser=True)
    forms = [
        client.get(address("apigateway_add")),
        client.get(address("apigateway_change", gateway.pk)),
        client.get(address("channelpermission_add")),
        client.get(address("channelpermission_change", rule.pk)),
        client.get(address("plan", gateway.pk)),
        client.get(address("send")),
        client.post(address("send"), {"to": "everyone", "message": "{}", "step": "preview"}),
        *(act(client, name, session) for name in ("send_message", "change_channel", "disconnect")),
    ]

    assert [">Cancel</a>" in text_of(form) for form in forms] == [True] * len(forms)


def test_lists_of_json_are_words_for_those_who_only_read() -> None:
    gateway = applied(tags={"team": "chat"})
    rule = ChannelPermissionFactory.create(
        audience="permissions", all_of=["auth.view_user"], any_of=["auth.add_user", "auth.view_group"]
    )
    member = ChannelMember.objects.create(channel_name="x", member="u:1", info={"name": "Ada", "age": 36})
    reader = client_with("view_apigateway", "view_channelpermission", "view_channelmember")

    pages = {
        name: text_of(reader.get(address(f"{name}_change", row.pk)))
        for name, row in (("apigateway", gateway), ("channelpermission", rule), ("channelmember", member))
    }

    assert "team: chat" in pages["apigateway"]
    assert "auth.view_user and (auth.add_user or auth.view_group)" in pages["channelpermission"]
    assert "name: Ada" in pages["channelmember"]
    assert "age: 36" in pages["channelmember"]
    for page in pages.values():
        assert '{"' not in page.partition('id="content"')[2]
        assert '["' not in page.partition('id="content"')[2]


def test_known_channels_are_suggested_and_bounded(settings: Any, django_assert_num_queries: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {
        "CHANNELS": {"orders": {"HISTORY_MESSAGES": 1}, "room_*": {"PRESENCE": True}}
    }
    ApiGatewayFactory.create(default_channel_name="start")
    ChannelPermissionFactory.create(channel_name="news")
    ChannelPermissionFactory.create(channel_name="private_*")
    Channel.objects.create(name="kept", published_on=timezone.now())
    WebSocketSessionFactory.create(channel_name='<b>"busy"')
    with django_assert_num_queries(4):
        assert known_channels() == ['<b>"busy"', "kept", "news", "orders", "start"]

    client = client_with(superuser=True)
    for url in (address("send"), address("channelpermission_add"), address("apigateway_add")):
        page = client.get(url).content.decode()
        assert '<option value="&lt;b&gt;&quot;busy&quot;"></option>' in page
        assert "private_*" not in page
    for number in range(150):
        Channel.objects.create(name=f"c{number}", published_on=timezone.now())
        WebSocketSessionFactory.create(channel_name=f"d{number}")
    assert len(known_channels()) == MOST_SUGGESTED


def test_a_part_of_a_name_or_an_address_finds_the_sessions_of_a_user() -> None:
    ada = UserFactory.create(username="ada.lovelace", email="countess@example.org")
    WebSocketSessionFactory.create(connection_id="Ab=", user=ada)
    WebSocketSessionFactory.create(connection_id="cd=", logged_in=True)
    reader, administrator = client_with(VIEW), client_with(VIEW, "view_user")

    assert listed(reader, q="LOVE") == {"Ab="}
    assert listed(administrator, q="countess@") == {"Ab="}
    assert listed(reader, q="countess@") == set()
    assert listed(administrator, q="nobody at all") == set()


def test_the_very_name_is_found_among_many_that_contain_it() -> None:
    User.objects.bulk_create(User(username=f"ann{number}") for number in range(60))
    ann = UserFactory.create(username="ann")
    WebSocketSessionFactory.create(connection_id="Ab=", user=ann)

    assert listed(client_with(VIEW), q="ann") == {"Ab="}


def test_one_is_not_counted_as_many() -> None:
    counter = ConnectionRateLimitFactory.create(attempts=1)
    act(client_with("view_connectionratelimit", "delete_connectionratelimit"), "unblock", counter)

    assert LogEntry.objects.get().get_change_message().endswith("after 1 attempt")


def test_a_counter_says_whose_attempts_it_counts() -> None:
    counter = ConnectionRateLimitFactory.create(
        key=f"connect:300s:user:{UserFactory.create(username='ada').pk}"
    )
    client = client_with("view_connectionratelimit")

    assert "user ada" in text_of(client.get(address("connectionratelimit_change", counter.pk)))


def test_a_message_is_indented() -> None:
    message = ChannelMessage.objects.create(channel_name="news", offset=1, body=b'{"to": ["<b>"]}')

    page = client_with("view_channelmessage").get(address("channelmessage_change", message.pk))

    shown = '<pre class="wsg-json">{\n  &quot;to&quot;: [\n    &quot;&lt;b&gt;&quot;\n  ]\n}</pre>'
    assert shown in page.content.decode()


def test_a_domain_that_is_not_created_is_on_a_line_of_its_own() -> None:
    gateway = applied(domain_name="sockets.example.com")

    page = text_of(client_with(*EDITOR).get(address("apigateway_change", gateway.pk)))

    assert "</code><br>sockets.example.com (not created)" in page


def test_the_list_of_broadcasts_says_who_sent_what_to_whom() -> None:
    user = UserFactory.create(username="ada")
    run = BroadcastRunFactory.create(
        finished=True, origin="command", started_by=user, audience="channel", channel_name="news",
        recipients=12_007, delivered=12_004, gone=1, failed=2, reasons={"no answer": 2}, message=b"",
    )  # fmt: skip
    client = client_with("view_broadcastrun")

    page = text_of(client.get(address("broadcastrun_changelist")))
    detail = text_of(client.get(address("broadcastrun_change", run.pk)))

    assert "channel \u201cnews\u201d" in page
    assert "command: ada" in page
    assert '<strong class="wsg-failed">2</strong>' in page
    assert "12,007" in detail
    assert "12,004 delivered, 1 gone, 2 failed" in detail
    assert "no limit" in detail
    assert "2 x no answer" in detail
    assert "not kept" in detail
