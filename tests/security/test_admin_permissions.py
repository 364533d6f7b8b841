"""Who may do what in the admin: each page and action, by those who lack what it needs and by one with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from tests.admin.clients import MODELS, address
from tests.factories import (
    ApiGatewayFactory,
    BroadcastRunFactory,
    ChannelPermissionFactory,
    ConnectionRateLimitFactory,
    UserFactory,
    WebSocketSessionFactory,
    WebSocketTokenFactory,
)
from websocket_gateway.models import (
    ApiGateway,
    Channel,
    ChannelCursor,
    ChannelMember,
    ChannelMessage,
    RefusalCount,
)
from websocket_gateway.testing import FakeConnections

pytestmark = pytest.mark.django_db


@dataclass
class Rows:
    """One row of each model that the admin shows."""

    fake: FakeConnections
    by_model: dict[str, Any] = field(default_factory=dict)

    def state(self) -> list[Any]:
        """What an action could change: every row, frames that were sent, and sockets that were closed."""
        found: list[Any] = [
            list(model._base_manager.order_by("pk").values())
            for model in apps.get_app_config("websocket_gateway").get_models()
        ]
        return [*found, len(self.fake.sent), list(self.fake.closed)]


@dataclass(frozen=True)
class Operation:
    """What can be done, the permissions that it needs, and those that would do as well."""

    name: str
    do: Callable[[Client, Rows], Any]
    needed: frozenset[str]
    instead: frozenset[str] = frozenset()
    changes: bool = True


def get(name: str, *of: str, query: str = "") -> Callable[[Client, Rows], Any]:
    return lambda client, rows: client.get(address(name, *(rows.by_model[key].pk for key in of)) + query)


def act(model: str, action: str, **fields: str) -> Callable[[Client, Rows], Any]:
    return lambda client, rows: client.post(
        address(f"{model}_changelist"),
        {"action": action, "_selected_action": [str(rows.by_model[model].pk)], "step": "apply", **fields},
    )


def delete(model: str) -> Callable[[Client, Rows], Any]:
    return lambda client, rows: client.post(
        address(f"{model}_delete", rows.by_model[model].pk), {"post": "yes"}
    )


def send(client: Client, rows: Rows) -> Any:
    return client.post(address("send"), {"to": "everyone", "message": "{}", "step": "apply"})


def form_of_gateway(**changes: str) -> dict[str, str]:
    row = ApiGatewayFactory.build(planned=True)
    fields = ("api_name", "target_base_endpoint", "stage_name", "route_selection_expression")
    form = {name: getattr(row, name) for name in (*fields, "api_key_selection_expression", "region_name")}
    management = {"additional_routes-TOTAL_FORMS": "0", "additional_routes-INITIAL_FORMS": "0"}
    return {**form, "tags": "{}", **management, **changes}


def add_gateway(client: Client, rows: Rows) -> Any:
    return client.post(address("apigateway_add"), form_of_gateway(api_name="new"))


def change_target(client: Client, rows: Rows) -> Any:
    row = rows.by_model["apigateway"]
    form = form_of_gateway(api_name=row.api_name, target_base_endpoint="https://evil.example.org/")
    answer = client.post(address("apigateway_change", row.pk), form)
    changed = ApiGateway.objects.get(pk=row.pk)
    # With the permission to change alone, everything else is saved.
    if changed.target_base_endpoint == row.target_base_endpoint:
        row.save()
    return answer


RULE = {"channel_name": "news", "audience": "staff", "any_of": "", "all_of": "", "alternatives": ""}


def add_rule(client: Client, rows: Rows) -> Any:
    return client.post(address("channelpermission_add"), RULE)


def change_rule(client: Client, rows: Rows) -> Any:
    return client.post(address("channelpermission_change", rows.by_model["channelpermission"].pk), RULE)


def needs(*names: str) -> frozenset[str]:
    return frozenset(names)


_SESSION, _SEND, _CLOSE = "view_websocketsession", "send_websocketsession", "disconnect_websocketsession"
_MOVE, _PROVISION = "change_websocketsession", "provision_apigateway"
READING = [
    operation
    for model in MODELS
    for operation in (
        Operation(
            f"list of {model}",
            get(f"{model}_changelist"),
            needs(f"view_{model}"),
            needs(f"change_{model}"),
            changes=False,
        ),
        Operation(
            f"page of {model}",
            get(f"{model}_change", model),
            needs(f"view_{model}"),
            needs(f"change_{model}"),
            changes=False,
        ),
    )
]
PAGES = [
    Operation("overview", get("overview"), needs(_SESSION), changes=False),
    Operation("figures", get("figures"), needs(_SESSION), changes=False),
    Operation("page of a broadcast", get("send"), needs(_SEND), changes=False),
    Operation("plan", get("plan", "apigateway"), needs(_PROVISION), changes=False),
    Operation(
        "plan of an import",
        get("plan", "apigateway", query="?import_changes=1"),
        needs(_PROVISION),
        changes=False,
    ),
]
WRITING = [
    Operation("broadcast", send, needs(_SEND)),
    Operation(
        "message to a session",
        act("websocketsession", "send_message", message="{}"),
        needs(_SESSION, _SEND),
        needs(_MOVE),
    ),
    Operation(
        "move a session",
        act("websocketsession", "change_channel", channel="news", how="move"),
        needs(_MOVE),
    ),
    Operation(
        "subscribe a session",
        act("websocketsession", "change_channel", channel="news", how="subscribe"),
        needs(_MOVE),
    ),
    Operation(
        "close a session", act("websocketsession", "disconnect"), needs(_SESSION, _CLOSE), needs(_MOVE)
    ),
    Operation("delete a session", delete("websocketsession"), needs("delete_websocketsession")),
    Operation("delete a token", delete("websockettoken"), needs("delete_websockettoken")),
    Operation("delete a counter", delete("connectionratelimit"), needs("delete_connectionratelimit")),
    Operation(
        "unblock a counter",
        act("connectionratelimit", "unblock"),
        needs("view_connectionratelimit", "delete_connectionratelimit"),
        needs("change_connectionratelimit"),
    ),
    Operation("delete a broadcast", delete("broadcastrun"), needs("delete_broadcastrun")),
    Operation("delete a count", delete("refusalcount"), needs("delete_refusalcount")),
    Operation(
        "forget a history",
        act("channel", "forget_history"),
        needs("view_channel", "delete_channel"),
        needs("change_channel"),
    ),
    Operation("add a rule", add_rule, needs("add_channelpermission")),
    Operation("change a rule", change_rule, needs("change_channelpermission")),
    Operation("delete a rule", delete("channelpermission"), needs("delete_channelpermission")),
    Operation("add a gateway", add_gateway, needs("add_apigateway", _PROVISION)),
    Operation("change a target", change_target, needs("change_apigateway", _PROVISION)),
    Operation("delete a gateway", delete("apigateway"), needs("delete_apigateway")),
]
OPERATIONS = [*READING, *PAGES, *WRITING]


def client_of(*codenames: str, staff: bool = True) -> Client:
    user = UserFactory.create(is_staff=staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def everything_but(operation: Operation, missing: str) -> Client:
    """Staff with every permission except this one, and what would do instead."""
    left_out = {missing, *operation.instead}
    names = Permission.objects.exclude(codename__in=left_out).values_list("codename", flat=True)
    return client_of(*names)


INTRUDERS: dict[str, Callable[[Operation], Client]] = {
    "a visitor": lambda operation: Client(),
    "a user who is not staff": lambda operation: client_of(*operation.needed, staff=False),
    "staff without a permission": lambda operation: client_of(),
}
DENIED = [(operation, who, make) for operation in OPERATIONS for who, make in INTRUDERS.items()] + [
    (operation, f"all but {missing}", lambda op, name=missing: everything_but(op, name))
    for operation in OPERATIONS
    for missing in sorted(operation.needed)
]
CASES = 231
"""All that are denied, and each operation once by one who has exactly what it needs."""


@pytest.fixture
def rows(fake_connections: FakeConnections, settings: Any) -> Rows:
    settings.WEBSOCKET_GATEWAY = {
        "ADMIN_PROVISIONING": True,
        "CHANNELS": {"orders": {"HISTORY_MESSAGES": 10}},
    }
    planned = ApiGatewayFactory.create(planned=True)
    return Rows(
        fake_connections,
        {
            "apigateway": planned,
            "websocketsession": WebSocketSessionFactory.create(),
            "channelpermission": ChannelPermissionFactory.create(),
            "connectionratelimit": ConnectionRateLimitFactory.create(),
            "websockettoken": WebSocketTokenFactory.create(),
            "broadcastrun": BroadcastRunFactory.create(finished=True),
            "channel": Channel.objects.create(name="orders", last_offset=1),
            "channelmessage": ChannelMessage.objects.create(channel_name="orders", offset=1, body=b"{}"),
            "refusalcount": RefusalCount.objects.create(hour=timezone.now(), rule="busy", number=1),
            "channelmember": ChannelMember.objects.create(channel_name="orders", member="u:1"),
            "channelcursor": ChannelCursor.objects.create(
                user=UserFactory.create(), channel_name="orders", epoch="e", acked_offset=1
            ),
        },
    )


def test_the_table_is_not_shortened() -> None:
    assert len(DENIED) + len(OPERATIONS) == CASES


@pytest.mark.parametrize(
    ("operation", "make"),
    [pytest.param(operation, make, id=f"{operation.name} by {who}") for operation, who, make in DENIED],
)
def test_it_is_denied_and_changes_nothing(
    rows: Rows, operation: Operation, make: Callable[[Operation], Client]
) -> None:
    client, before = make(operation), rows.state()

    answer = operation.do(client, rows)

    ignored = answer.status_code in (200, 302) and operation.changes
    assert answer.status_code == 403 or "/login/" in answer.headers.get("Location", "") or ignored
    assert without_times(rows.state()) == without_times(before)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_it_is_done_for_one_who_has_what_it_needs(rows: Rows, operation: Operation) -> None:
    client, before = client_of(*operation.needed), rows.state()

    answer = operation.do(client, rows)

    assert answer.status_code in (200, 302)
    assert "/login/" not in answer.headers.get("Location", "")
    if operation.changes:
        assert rows.state() != before


def without_times(state: list[Any]) -> list[Any]:
    """The state without the time of the last saving."""
    return [
        [{name: value for name, value in row.items() if name != "updated_on"} for row in table]
        if isinstance(table, list) and table and isinstance(table[0], dict)
        else table
        for table in state
    ]
