"""No secret is shown by commands, by pages of the admin, by exceptions or representations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.admin.clients import address, client_with
from tests.factories import UserFactory, WebSocketSessionFactory
from tests.support.commands import run
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGateway, WebSocketToken
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.provisioning import plan_provisioning
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.receiving.events import parse_event
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import connect_request, message_request
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db(transaction=True)

AWS_SECRET = "an-aws-secret-that-nobody-may-see"
LEGACY = "the-legacy-secret-of-thirty-two-letters"

COMMANDS = [
    "create_gateway chat",
    "create_gateway chat --dry-run",
    "create_gateway chat --dry-run --format json",
    "create_gateway chat --adopt unknown",
    "sync_routes",
    "sync_routes --check",
    "sync_routes --check --format json",
    "sync_routes chat --rotate-secret --dry-run",
    "sync_routes chat --rotate-secret --dry-run --format json",
    "sync_routes chat --rotate-secret",
    "sync_routes chat --rotate-secret --format json",
    "sync_routes --deep --dry-run",
    "sync_routes --import --dry-run",
    "sync_routes --prune --dry-run --format json",
    "sync_routes unknown",
    "check_ws_settings",
    "check_ws_settings --format json",
    "check_ws_settings --live",
    "check_ws_settings --live --format json",
    "broadcast lobby {}",
    "broadcast lobby {} --format json",
    "broadcast lobby {",
    "purge_connections",
    "purge_connections --dry-run --format json",
    "purge_connections --verify",
    "import_legacy_gateways",
    "delete_gateway chat --dry-run",
    "delete_gateway chat --dry-run --format json",
    "delete_gateway chat --no-input",
]
LISTS = (
    *("apigateway", "websocketsession", "websockettoken", "connectionratelimit", "channelpermission"),
    *("broadcastrun", "channel", "channelmessage"),
)
PAGES: dict[str, Callable[[ApiGateway], str]] = {
    **{f"list of {model}": lambda row, name=model: address(f"{name}_changelist") for model in LISTS},  # type: ignore[misc]
    "gateway": lambda row: address("apigateway_change", row.pk),
    "session": lambda row: address("websocketsession_change", row.websocket_sessions.get().pk),
    "token": lambda row: address("websockettoken_change", WebSocketToken.objects.get().pk),
    "plan": lambda row: address("plan", row.pk),
    "plan of an import": lambda row: address("plan", row.pk) + "?import_changes=1",
    "plan that prunes": lambda row: address("plan", row.pk) + "?prune=1",
    "overview": lambda row: address("overview"),
    "figures": lambda row: address("figures"),
    "broadcast": lambda row: address("send"),
    "history": lambda row: address("apigateway_history", row.pk),
}
SHOWN: dict[str, Callable[[ApiGateway, str], object]] = {
    "settings": lambda row, token: get_settings(),
    "gateway": lambda row, token: vars(row),
    "session": lambda row, token: vars(row.websocket_sessions.get()),
    "row of a token": lambda row, token: vars(WebSocketToken.objects.get()),
    "event of a connect": lambda row, token: parse_event(connect_request(row, token=token), slug="connect"),
    "event of a message": lambda row, token: parse_event(message_request(row, "a=", {}), slug="default"),
    "credentials": lambda row, token: take_credentials(connect_request(row, token=token)),
    "request afterwards": lambda row, token: _taken(connect_request(row, token=token)),
    "headers afterwards": lambda row, token: dict(_taken(connect_request(row, token=token)).headers),
    "variables afterwards": lambda row, token: _taken(connect_request(row, token=token)).META,
    "plan": lambda row, token: plan_provisioning(row),
    "plan of a rotation": lambda row, token: plan_provisioning(_with_new_target(row)),
    "steps": lambda row, token: [
        vars(type(step)) for step in plan_provisioning(_with_new_target(row)).plan.steps
    ],
    "report": lambda row, token: broadcast({}, channel="lobby"),
    "report of failures": lambda row, token: broadcast({}, channel="lobby").reasons,
    "wrong settings": lambda row, token: _exception(),
    "queryset": lambda row, token: str(WebSocketToken.objects.filter(user__username="x").query),
    "rows of AWS": lambda row, token: repr(row) + str(row),
    "user": lambda row, token: repr(row.websocket_sessions.get().user),
}
CASES = 66


def _taken(request: Any) -> Any:
    take_credentials(request)
    return request


def _with_new_target(row: ApiGateway) -> ApiGateway:
    row.target_base_endpoint = "https://new.example.com/ws/"
    return row


def _exception() -> str:
    try:
        plan_provisioning(
            ApiGateway(api_name="x", target_base_endpoint="https://x.example.com/", api_id="gone")
        )
    except Exception as exc:  # noqa: BLE001 - whatever it is, its text is looked at
        return f"{exc!r} {exc.__cause__!r} {exc.__context__!r}"
    return ""


@pytest.fixture
def gateway(
    django_local_gateway: GatewayHandle, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> ApiGateway:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AWS_SECRET)
    settings.WEBSOCKETS = {"gateway_secret": LEGACY}
    settings.SECRET_KEY = "a-secret-key-that-nobody-may-see"
    settings.SECRET_KEY_FALLBACKS = ["a-fallback-that-nobody-may-see"]
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "ADMIN_PROVISIONING": True}
    assert run("create_gateway", "chat", "--target", "https://www.example.com/ws/").status == 0
    row: ApiGateway = ApiGateway.objects.get()
    WebSocketSessionFactory.create(api_gateway=row, user=UserFactory.create())
    return row


@pytest.fixture
def token(gateway: ApiGateway) -> str:
    user = gateway.websocket_sessions.get().user
    assert user is not None
    return issue_token(user)


def assert_no_secret(text: str, gateway: ApiGateway, token: str, settings: Any) -> None:
    generations = [origin_secret(gateway.api_id, number) for number in range(3)]
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    assert [secret for secret in (*generations, *keys, AWS_SECRET, LEGACY, token) if secret in text] == []


def test_the_tables_are_not_shortened() -> None:
    assert len(COMMANDS) + len(PAGES) + len(SHOWN) == CASES


@pytest.mark.parametrize("line", COMMANDS)
def test_no_command_shows_a_secret(line: str, gateway: ApiGateway, token: str, settings: Any) -> None:
    ended = run(*line.split())

    assert ended.stdout + ended.stderr
    assert_no_secret(ended.stdout + ended.stderr, gateway, token, settings)


def test_no_page_shows_a_secret(gateway: ApiGateway, token: str, settings: Any) -> None:
    client = client_with(superuser=True)

    for make in PAGES.values():
        answer = client.get(make(gateway))
        assert answer.status_code == 200
        assert_no_secret(answer.content.decode(), gateway, token, settings)


def test_no_representation_shows_a_secret(gateway: ApiGateway, token: str, settings: Any) -> None:
    for make in SHOWN.values():
        assert_no_secret(f"{make(gateway, token)!r}", gateway, token, settings)
