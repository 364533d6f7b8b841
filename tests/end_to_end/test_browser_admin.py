"""The admin in a real Chromium: from a new gateway to a socket that is seen, sent to and closed.

With `WEBSOCKET_GATEWAY_TEST_SCREENSHOTS=DIRECTORY` every page is
kept as a picture, at 1280 and 390 pixels, light and dark.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.chromium import chromium, in_chromium
from tests.factories import PASSWORD, UserFactory
from websocket_gateway.connections.endpoints import find_socket_url
from websocket_gateway.models import ApiGateway, BroadcastRun, ChannelMember
from websocket_gateway.testing.gateway import GatewayHandle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [*in_chromium, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("WEBSOCKET_GATEWAY_TEST_SCREENSHOTS", "")


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    # Playwright's loop runs in this thread, and Django takes that for asynchronous code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with chromium() as found:
        yield found


def picture(page: Page, name: str) -> None:
    """Nothing is wider than the window; and keep the page as pictures where that was asked for."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.locator("#content").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} at {width}"
        for scheme in ("light", "dark") if PICTURES else ():
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(150)
            page.screenshot(path=f"{PICTURES}/{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})


def log_in(browser: Browser, url: str) -> Page:
    UserFactory.create(username="root", password=PASSWORD, staff=True, superuser=True)
    page = browser.new_context().new_page()
    page.goto(f"{url}/admin/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="API gateways").first.wait_for()
    return page


def create_gateway(page: Page, url: str) -> ApiGateway:
    page.goto(f"{url}/admin/websocket_gateway/apigateway/add/")
    page.locator("#id_api_name").fill("chat")
    page.get_by_label("Target URL:").fill(f"{url}/ws/")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".messagelist").get_by_role("link", name="Show the plan").click()
    page.get_by_label("The plan").get_by_text("Would create api chat").wait_for()
    picture(page, "plan")
    page.get_by_role("button", name="Apply this plan").click()
    page.get_by_text("Done:").wait_for()
    picture(page, "gateway")
    page.goto(f"{url}/admin/websocket_gateway/apigateway/")
    picture(page, "gateways")
    page.get_by_role("link", name="chat", exact=True).click()
    page.get_by_role("link", name="Sync with AWS").click()
    page.get_by_text("Nothing to do: AWS matches the settings of this gateway.").wait_for()
    return ApiGateway.objects.get()


def send_to_all(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/websocket_gateway/websocketsession/broadcast/")
    page.get_by_label("To:").select_option("channel")
    page.get_by_label("Channel:").fill("lobby")
    page.get_by_label("Message:").fill('{"text": "to the lobby"}')
    picture(page, "broadcast")
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("is open now").wait_for()
    picture(page, "broadcast-preview")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Delivered to 1 of 1.").wait_for()


def test_from_a_new_gateway_to_a_socket_that_is_closed(
    browser: Browser, live_server: Any, django_local_gateway: GatewayHandle, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.admin.site"
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "CHANNELS": {"lobby": {"PRESENCE": True}}}
    said: list[str] = []
    page = log_in(browser, live_server.url)
    page.on("pageerror", lambda error: said.append(str(error)))
    gateway = create_gateway(page, live_server.url)

    overview = page.context.new_page()
    overview.on("pageerror", lambda error: said.append(str(error)))
    overview.goto(f"{live_server.url}/admin/websocket_gateway/websocketsession/overview/")
    now = overview.locator("[data-open]")
    now.get_by_text("0", exact=True).wait_for()
    visitor = browser.new_page()
    visitor.goto(f"{live_server.url}/visitor/?url={find_socket_url(gateway)}")
    visitor.get_by_text("open", exact=True).wait_for()
    now.get_by_text("1", exact=True).wait_for()  # by itself
    overview.locator("[data-bars=channels]").get_by_role("link", name="lobby").wait_for()
    lobby = overview.locator("[data-present]").get_by_role("row").filter(has_text="lobby")
    lobby.get_by_text("s:").wait_for()
    ChannelMember.objects.bulk_create(
        ChannelMember(channel_name=channel, member=member)
        for channel in ("lobby", "ticket_" + "x" * 180)
        for member in ("desk", "o" * 64, *(f"s:g{number}" for number in range(40)))
    )
    lobby.get_by_text("and 38 more").wait_for()
    send_to_all(page, live_server.url)
    visitor.get_by_text('{"text":"to the lobby","_ws":{"channel":"lobby"}}').wait_for()
    overview.locator("[data-runs]").get_by_text("lobby").wait_for()
    overview.bring_to_front()
    picture(overview, "overview")

    overview.locator("[data-bars=channels]").get_by_role("link", name="lobby").click()
    overview.locator("#result_list").wait_for()
    picture(overview, "sessions")
    overview.locator("#result_list a").first.click()
    overview.get_by_role("button", name="Disconnect").wait_for()
    picture(overview, "session")
    overview.get_by_role("button", name="Send a message").click()
    overview.get_by_label("Message:").fill('{"text": "to you"}')
    picture(overview, "message")
    overview.get_by_role("button", name="Preview").click()
    overview.get_by_text("Send this message?").first.wait_for()
    picture(overview, "message-preview")
    overview.get_by_role("button", name="Send", exact=True).click()
    overview.get_by_text("Delivered to 1 of 1.").wait_for()
    visitor.get_by_text('{"text":"to you"}').wait_for()

    overview.locator("#result_list a").first.click()
    overview.get_by_role("button", name="Disconnect").click()
    overview.get_by_text("Close this socket?").first.wait_for()
    picture(overview, "disconnect")
    overview.get_by_role("button", name="Disconnect", exact=True).click()
    overview.get_by_text("1 socket was closed.").wait_for()
    visitor.get_by_text("closed", exact=True).wait_for()

    ChannelMember.objects.filter(member__in=["desk", "o" * 64]).delete()
    assert not ChannelMember.objects.filter(present=True, channel_name="lobby").exclude(member__contains="g")
    assert BroadcastRun.objects.get().state == "finished"
    assert said == []
