"""The admin: what can be edited, by whom, and what it says."""

from __future__ import annotations

from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import AnonymousUser, Permission
from django.urls import reverse

from tests.admin.clients import client_with
from tests.factories import (
    ApiGatewayAdditionalRouteFactory,
    ApiGatewayFactory,
    ChannelPermissionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.channels.rules import may_join
from websocket_gateway.connections.endpoints import find_socket_url
from websocket_gateway.models import ApiGateway, ChannelPermission, ConnectionRateLimit
from websocket_gateway.receiving.limits import count_attempt

pytestmark = pytest.mark.django_db


def form_of(gateway: ApiGateway, **changes: str) -> dict[str, str]:
    fields = {
        "api_name": gateway.api_name,
        "target_base_endpoint": gateway.target_base_endpoint,
        "stage_name": gateway.stage_name,
        "tags": "{}",
        "route_selection_expression": gateway.route_selection_expression,
        "api_key_selection_expression": gateway.api_key_selection_expression,
        "additional_routes-TOTAL_FORMS": "0",
        "additional_routes-INITIAL_FORMS": "0",
    }
    return {**fields, **changes}


def test_a_gateway_made_in_the_admin_is_saved_and_the_next_step_is_named() -> None:
    client = client_with(superuser=True)
    form = form_of(ApiGatewayFactory.build(api_name="chat"), target_base_endpoint="http://web:8000/ws")

    answer = client.post(reverse("admin:websocket_gateway_apigateway_add"), form, follow=True)

    gateway = ApiGateway.objects.get()
    assert f'<a href="/admin/websocket_gateway/apigateway/{gateway.pk}/plan/">' in answer.content.decode()
    assert gateway.target_base_endpoint == "http://web:8000/ws/"


def test_clients_are_not_sent_to_a_domain_that_is_only_written_down() -> None:
    gateway = ApiGatewayFactory.create(domain_name="old.example.com", custom_domain_created=True)
    url = reverse("admin:websocket_gateway_apigateway_change", args=[gateway.pk])

    client_with(superuser=True).post(url, form_of(gateway, domain_name="new.example.com"))

    gateway.refresh_from_db()
    assert gateway.domain_name == "new.example.com"
    assert find_socket_url(gateway).startswith(gateway.api_endpoint)


@pytest.mark.parametrize("changes", [{"stage_name": "v2"}, {"mapping_key": "v2"}])
def test_another_stage_or_path_changes_no_address_before_it_is_in_aws(changes: dict[str, str]) -> None:
    gateway = ApiGatewayFactory.create(
        domain_name="ws.example.com" if "mapping_key" in changes else "",
        custom_domain_created="mapping_key" in changes,
        deployed_stage="production",
    )

    url = reverse("admin:websocket_gateway_apigateway_change", args=[gateway.pk])
    client_with(superuser=True).post(url, form_of(gateway, domain_name=gateway.domain_name, **changes))

    gateway.refresh_from_db()
    assert {name: getattr(gateway, name) for name in changes} == changes
    assert find_socket_url(gateway) == f"{gateway.api_endpoint}/production"


def test_a_target_that_is_no_url_is_refused_with_the_reason() -> None:
    form = form_of(ApiGatewayFactory.build(api_name="chat"), target_base_endpoint="example.com")

    answer = client_with(superuser=True).post(reverse("admin:websocket_gateway_apigateway_add"), form)

    assert "is not an http:// or https:// URL" in answer.content.decode()
    assert not ApiGateway.objects.exists()


@pytest.mark.parametrize("emptied", ["", "null", "{}"])
def test_an_emptied_field_of_tags_is_no_tags(emptied: str) -> None:
    gateway = ApiGatewayFactory.create(tags={"team": "chat"})
    page = reverse("admin:websocket_gateway_apigateway_change", args=[gateway.pk])

    answer = client_with(superuser=True).post(page, form_of(gateway, tags=emptied))

    gateway.refresh_from_db()
    assert (answer.status_code, gateway.tags) == (302, {})


def test_what_aws_answered_and_a_fixed_region_cannot_be_edited() -> None:
    gateway = ApiGatewayFactory.create()
    url = reverse("admin:websocket_gateway_apigateway_change", args=[gateway.pk])
    form = form_of(gateway, api_id="other", region_name="us-east-1", deployment_id="other")

    answer = client_with(superuser=True).post(url, form)

    changed = ApiGateway.objects.get()
    assert answer.status_code == 302
    assert (changed.api_id, changed.region_name, changed.deployment_id) == (gateway.api_id, "eu-west-1", "")


def test_the_target_and_the_routes_need_the_permission_to_provision() -> None:
    gateway = ApiGatewayFactory.create()
    ApiGatewayAdditionalRouteFactory.create(api_gateway=gateway)
    url = reverse("admin:websocket_gateway_apigateway_change", args=[gateway.pk])
    form = form_of(gateway, target_base_endpoint="https://evil.example.net/", api_description="mine")
    editors = ("view_apigateway", "change_apigateway", "add_apigatewayadditionalroute")

    client_with(*editors).post(url, form)
    without = ApiGateway.objects.get()
    client_with(*editors, "provision_apigateway").post(url, form)
    with_it = ApiGateway.objects.get()

    assert (without.api_description, without.target_base_endpoint) == ("mine", "https://www.example.com/ws/")
    assert with_it.target_base_endpoint == "https://evil.example.net/"


def test_a_gateway_that_exists_in_aws_cannot_be_deleted_here() -> None:
    client = client_with(superuser=True)
    created, planned = ApiGatewayFactory.create(), ApiGatewayFactory.create(planned=True)

    refused = client.post(
        reverse("admin:websocket_gateway_apigateway_delete", args=[created.pk]), {"post": "yes"}
    )
    client.post(reverse("admin:websocket_gateway_apigateway_delete", args=[planned.pk]), {"post": "yes"})

    assert refused.status_code == 403
    assert list(ApiGateway.objects.all()) == [created]
    assert (
        "delete_selected"
        not in client.get(reverse("admin:websocket_gateway_apigateway_changelist")).content.decode()
    )


@pytest.mark.parametrize(
    "name",
    [
        "apigateway",
        "websocketsession",
        "channelpermission",
        "connectionratelimit",
        "websockettoken",
        "broadcastrun",
    ],
)
def test_every_list_opens_and_can_be_searched(name: str) -> None:
    WebSocketSessionFactory.create(logged_in=True)
    ChannelPermissionFactory.create()

    answer = client_with(superuser=True).get(
        reverse(f"admin:websocket_gateway_{name}_changelist"), {"q": "lobby"}
    )

    assert answer.status_code == 200


def test_connections_can_be_read_and_nothing_else() -> None:
    session = WebSocketSessionFactory.create()
    client = client_with(superuser=True)
    url = reverse("admin:websocket_gateway_websocketsession_change", args=[session.pk])

    assert session.connection_id in client.get(url).content.decode()
    assert client.post(url, {"channel_name": "other"}).status_code == 403
    assert client.get(reverse("admin:websocket_gateway_websocketsession_add")).status_code == 403


def save_rule(**fields: str) -> str:
    """Fill in the form for a new rule; the page that comes of it."""
    url = reverse("admin:websocket_gateway_channelpermission_add")
    form = {"channel_name": "news_*", "audience": "permissions", "any_of": "", "all_of": ""}
    answer = client_with(superuser=True).post(url, {**form, **fields}, follow=True)
    return unescape(answer.content.decode())


@pytest.mark.parametrize(
    ("any_of", "all_of", "held", "admitted"),
    [
        ("auth.add_user\r\nauth.view_user\r\n", "", ("view_user",), True),
        ("auth.add_user\r\nauth.view_user", "", ("change_user",), False),
        ("", "auth.add_user\r\nauth.view_user", ("add_user", "view_user"), True),
        ("", "auth.add_user\r\nauth.view_user", ("add_user",), False),
        ("auth.add_user", "auth.view_user", ("view_user",), False),
        ("", "", ("view_user",), False),
    ],
)
def test_a_rule_made_in_the_admin_decides_who_may_join(
    any_of: str, all_of: str, held: tuple[str, ...], admitted: bool
) -> None:
    user = UserFactory.create()
    user.user_permissions.set(Permission.objects.filter(codename__in=held))

    save_rule(any_of=any_of, all_of=all_of)

    assert may_join(user, "news_sport") is admitted
    assert may_join(user, "elsewhere", allow_unlisted=True)
    assert not may_join(AnonymousUser(), "news_sport")


@pytest.mark.parametrize("audience", ["anyone", "authenticated", "staff", "superuser"])
def test_an_audience_chosen_in_the_admin_counts(audience: str) -> None:
    save_rule(audience=audience)

    assert may_join(AnonymousUser(), "news_1") is (audience == "anyone")
    assert may_join(UserFactory.create(), "news_1") is (audience in ("anyone", "authenticated"))
    assert may_join(UserFactory.create(staff=True), "news_1") is (audience != "superuser")
    assert may_join(UserFactory.create(staff=True, superuser=True), "news_1")


@pytest.mark.parametrize("name", ["auth.veiw_user", "view_user", "chat.", '["auth.view_user"]', "\x00a."])
def test_a_permission_that_does_not_exist_is_refused_by_its_name(name: str) -> None:
    page = save_rule(any_of=f"auth.add_user\r\n{name}")

    assert "There is no such permission: " in page
    assert not ChannelPermission.objects.exists()


def test_permissions_that_would_not_count_are_refused() -> None:
    page = save_rule(audience="staff", any_of="auth.view_user")

    assert "are used only for \u201cusers with the permissions below\u201d" in page
    assert not ChannelPermission.objects.exists()


def test_a_rule_is_shown_one_permission_a_line_and_saved_again_unchanged() -> None:
    rule = ChannelPermissionFactory.create(
        audience="permissions", any_of=["auth.view_user", "auth.add_user"], all_of=[]
    )
    url = reverse("admin:websocket_gateway_channelpermission_change", args=[rule.pk])
    client = client_with(superuser=True)

    form = client.get(url).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    client.post(url, {**shown, "any_of": shown["any_of"].replace("\n", "\r\n")})

    assert shown["any_of"] == "auth.view_user\nauth.add_user"
    assert "auth.view_user\nauth.add_user</textarea>" in client.get(url).content.decode()
    rule.refresh_from_db()
    assert (rule.any_of, rule.all_of) == (["auth.view_user", "auth.add_user"], [])
    assert LogEntry.objects.get().get_change_message() == "No fields changed."


@pytest.mark.parametrize(
    ("text", "saved"),
    [
        ("auth.add_user and auth.view_user\r\nauth.view_group", "two"),
        ("(auth.add_user AND auth.view_user)\r\n\r\nauth.view_group\r\nauth.view_group", "two"),
        ("auth.add_user, auth.view_user\r\n[auth.view_group]", "two"),
        ("", "none"),
    ],
)
def test_alternatives_are_written_one_a_line(text: str, saved: str) -> None:
    save_rule(alternatives=text, description="for the front desk")

    rule = ChannelPermission.objects.get()
    two = [["auth.add_user", "auth.view_user"], ["auth.view_group"]]
    assert rule.alternatives == (two if saved == "two" else [])
    assert rule.description == "for the front desk"
    page = client_with(superuser=True).get(reverse("admin:websocket_gateway_channelpermission_changelist"))
    shown = "(auth.add_user and auth.view_user) or auth.view_group" if saved == "two" else "\u2013"
    assert shown in page.content.decode()
    assert "for the front desk" in page.content.decode()


@pytest.mark.parametrize("audience", ["permissions", "staff"])
def test_wrong_alternatives_are_refused(audience: str) -> None:
    text = "auth.view_user and auth.veiw_user" if audience == "permissions" else "auth.view_user"

    page = save_rule(audience=audience, alternatives=text)

    assert (
        "no such permission: auth.veiw_user" if audience == "permissions" else "are used only for"
    ) in page
    assert not ChannelPermission.objects.exists()


def test_every_permission_can_be_picked_from_a_list() -> None:
    page = client_with(superuser=True).get(reverse("admin:websocket_gateway_channelpermission_add"))
    text = page.content.decode()

    assert text.count("<option>auth.view_user</option>") == 3
    assert 'data-wsg-adds-to="id_alternatives" data-wsg-separator=" and "' in text
    assert "websocket_gateway/admin/permissions.js" in text


def test_a_blocked_address_is_let_in_by_deleting_its_counter() -> None:
    def allowed() -> bool:
        return count_attempt("connect", "ip:192.0.2.1", limit=1, window_seconds=300).allowed

    assert (allowed(), allowed()) == (True, False)
    row = ConnectionRateLimit.objects.get()
    url = reverse("admin:websocket_gateway_connectionratelimit_delete", args=[row.pk])

    client_with(superuser=True).post(url, {"post": "yes"})

    assert allowed()
