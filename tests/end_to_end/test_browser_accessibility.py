"""Every page of the admin in a real Chromium: no serious finding of axe-core, no text outside the view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from tests.admin.clients import MODELS, address
from tests.end_to_end.axe import WIDE, Judge, needs_npm
from tests.end_to_end.chromium import chromium, in_chromium
from tests.factories import (
    PASSWORD,
    ApiGatewayAdditionalRouteFactory,
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
from websocket_gateway.testing.gateway import GatewayHandle

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Browser, Page

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    needs_npm,
]
OUTSIDE = """() => {
  const edge = document.querySelector("#changelist .results")?.getBoundingClientRect().right + 1;
  const row = "#result_list thead th, #result_list tbody tr:first-child > *";
  return [...document.querySelectorAll(row)]
    .filter((cell) => cell.getBoundingClientRect().right > edge).map((cell) => cell.textContent.trim());
}"""


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    # Playwright's loop runs in this thread, and Django takes that for asynchronous code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with chromium() as found:
        yield found


@pytest.fixture
def rows(settings: Any, django_local_gateway: GatewayHandle) -> dict[str, Any]:
    """A row of each model with long texts, by the name of the model."""
    settings.ROOT_URLCONF = "tests.admin.site"
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "ACTIVITY_RETENTION_DAYS": 7,
        "CHANNELS": {"orders": {"HISTORY_MESSAGES": 10}},
    }
    cache.clear()
    user = UserFactory.create(username="countess.ada.lovelace@analytical-engine.example.org")
    planned = ApiGatewayFactory.create(planned=True, api_name="chat-of-the-shop", tags={"team": "chat"})
    created = make_gateways()
    sessions = make_sessions(user, created)
    return {
        "apigateway": planned,
        "created": created,
        "websocketsession": sessions[0],
        "channelpermission": ChannelPermissionFactory.create(
            channel_name="orders_of_customers_*",
            audience="permissions",
            all_of=["auth.view_user"],
            any_of=["auth.add_user", "auth.change_group"],
            description="The people of the front desk, and those who help them",
        ),
        "connectionratelimit": ConnectionRateLimitFactory.create(key=f"connect:300s:user:{user.pk}"),
        "websockettoken": WebSocketTokenFactory.create(user=user),
        "broadcastrun": make_broadcasts(user),
        "channel": Channel.objects.create(name="orders", last_offset=1, published_on=timezone.now()),
        "channelmessage": ChannelMessage.objects.create(channel_name="orders", offset=1, body=b'{"a": [1]}'),
        "channelmember": ChannelMember.objects.create(channel_name="orders", member="u:1", info={"n": "Ada"}),
        "channelcursor": ChannelCursor.objects.create(
            user=user, channel_name="orders", epoch="e", acked_offset=1
        ),
        "refusalcount": make_refusals(),
    }


def make_gateways() -> ApiGateway:
    ApiGatewayFactory.create(
        api_name="failed", last_error="AccessDeniedException: not authorized to perform apigateway:POST"
    )
    ApiGatewayFactory.create(api_name="other", installation="of-somebody-else")
    created: ApiGateway = ApiGatewayFactory.create(
        api_name="live", deployment_id="d", domain_name="sockets.shop.example.com"
    )
    ApiGatewayAdditionalRouteFactory.create(api_gateway=created, deployed=True)
    ApiGateway.objects.filter(pk=created.pk).update(last_applied_on=timezone.now())
    created.save()
    return created


def make_sessions(user: User, gateway: ApiGateway) -> list[Any]:
    now = timezone.now()
    made = [
        WebSocketSessionFactory.create(
            connection_id=f"LkJ{number:03}hGfDsAcfQ=",
            api_gateway=gateway,
            user=user if number % 2 else None,
            channel_name=f"orders_of_customers_{number % 4}",
            created_on=now - timedelta(hours=number % 9),
            last_seen_on=now - timedelta(minutes=number),
        )
        for number in range(40)
    ]
    for session in made[30:]:
        session.connected, session.disconnected_on = False, now - timedelta(hours=session.pk % 5)
        session.save()
    return made


def make_broadcasts(user: User) -> Any:
    now = timezone.now()
    made = [
        BroadcastRunFactory.create(
            finished=True, origin=origin, started_by=user if number % 2 else None, audience="channel",
            channel_name="orders_of_customers_1", recipients=12_000, delivered=11_990 - number, gone=7,
            failed=3 + number, reasons={"no answer within 60 s": 3}, message=b"",
            created_on=now - timedelta(hours=number), finished_on=now,
        )
        for number, origin in enumerate(("admin", "command", "code", "code"))
    ]  # fmt: skip
    return made[-1]


def make_refusals() -> Any:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for number, rule in enumerate(("RATE_LIMIT_MAX_ATTEMPTS_PER_IP", "origin_denied", "token: expired")):
        row = RefusalCount.objects.create(rule=rule, number=90 - number, hour=hour - timedelta(hours=number))
    return row


def log_in(browser: Browser, url: str) -> Page:
    UserFactory.create(username="root", password=PASSWORD, staff=True, superuser=True)
    page = browser.new_context().new_page()
    page.goto(f"{url}/admin/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="API gateways").first.wait_for()
    return page


class AdminJudge(Judge):
    """Looks also for columns of a list that are cut off."""

    def found(self, width: int) -> list[str]:
        cells = self.page.evaluate(OUTSIDE) if width == WIDE else []
        return [*super().found(width), *([f"outside the view: {cells}"] if cells else [])]


def test_no_page_of_the_admin_has_a_serious_finding(
    browser: Browser, live_server: Any, rows: dict[str, Any], settings: Any
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    page = log_in(browser, live_server.url)
    judge = AdminJudge(page, inside="#content")

    def open_page(name: str, *args: Any) -> None:
        page.goto(live_server.url + address(name, *args))

    page.goto(f"{live_server.url}/admin/websocket_gateway/")
    judge.look("app")
    open_page("overview")
    page.locator("[data-runs] a").first.wait_for()
    judge.look("overview")
    for model in MODELS:
        open_page(f"{model}_changelist")
        judge.look(f"{model}-list")
        open_page(f"{model}_change", rows[model].pk)
        judge.look(f"{model}-page")
    for model in ("apigateway", "channelpermission"):
        open_page(f"{model}_add")
        judge.look(f"{model}-add")
    open_page("apigateway_change", rows["created"].pk)
    judge.look("apigateway-created")
    open_page("plan", rows["apigateway"].pk)
    judge.look("plan")
    look_at_sending(judge, live_server.url, rows)

    assert not judge.faults, "\n".join(judge.faults)


def look_at_sending(judge: Judge, url: str, rows: dict[str, Any]) -> None:
    page = judge.page
    page.goto(url + address("send"))
    judge.look("broadcast")
    page.get_by_role("button", name="Preview").click()
    page.locator(".errorlist").first.wait_for()
    judge.look("broadcast-errors")
    page.get_by_label("To:").select_option("channel")
    page.get_by_label("Channel:").fill("orders_of_customers_1")
    page.get_by_label("Message:").fill('{"text": "to the lobby"}')
    page.get_by_role("button", name="Preview").click()
    page.locator(".wsg-preview").wait_for()
    judge.look("broadcast-preview")
    for button in ("Send a message", "Subscribe to a channel", "Disconnect"):
        page.goto(url + address("websocketsession_change", rows["websocketsession"].pk))
        page.get_by_role("button", name=button).click()
        page.locator(".wsg-selected").wait_for()
        judge.look(f"session-{button.split()[0].lower()}")
