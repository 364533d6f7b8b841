"""A site, a gateway and a browser for tests of the browser's client."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
from django.contrib.auth.models import User
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test import Client
from django.test.testcases import QuietWSGIRequestHandler

from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.end_to_end.drivers.interface import Driver, Profile, Tab

QUICK = {"backoffMs": 100, "backoffMaxMs": 500}
PATIENCE_MS = 30_000


class Site:
    """Django on a port that it keeps when it is started again."""

    def __init__(self) -> None:
        self.port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        # Not pytest-django's live server: that one cannot take its port again.
        self.server = ThreadedWSGIServer(("127.0.0.1", self.port), QuietWSGIRequestHandler)
        self.port = self.server.server_port
        self.server.set_app(StaticFilesHandler(WSGIHandler()))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Backend:
    """A site with a user, and a gateway that calls it."""

    create_options: tuple[str, ...] = ("--default-channel", "lobby")

    def __init__(self, site: Site, gateway: GatewayHandle) -> None:
        self.site, self.gateway = site, gateway
        self.user = User.objects.create_user("ada")
        call_command(
            "create_gateway",
            "live",
            "--target",
            f"{site.url}/ws/",
            *self.create_options,
            stdout=StringIO(),
        )
        row = ApiGateway.objects.get()
        self.management = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=f"http{row.api_endpoint.removeprefix('ws')}/{row.stage_name}",
        )

    def close(self) -> None:
        self.management.close()

    def session_key(self, user: User) -> str:
        """Of a new session, as a login makes one."""
        client = Client()
        client.force_login(user)
        return client.cookies["sessionid"].value

    def page_url(self, path: str = "/", **options: Any) -> str:
        return f"{self.site.url}{path}?options={quote(json.dumps({**QUICK, **options}))}"

    def cut_every_socket(self) -> int:
        """Close them as the service does after two hours."""
        open_now = self.gateway.connections()
        for found in open_now:
            with suppress(self.management.exceptions.GoneException):
                self.management.delete_connection(ConnectionId=found.id)
        return len(open_now)


class World(Backend):
    """With a Chromium in which that user is logged in, for what only Playwright can do."""

    def __init__(self, site: Site, gateway: GatewayHandle, browser: Browser) -> None:
        super().__init__(site, gateway)
        self.browser = browser

    def close(self) -> None:
        for context in self.browser.contexts:
            context.close()
        super().close()

    def context(self, *, strict: bool = False) -> BrowserContext:
        """A browser of its own, in which ada is logged in.

        Waiting for a function needs `eval`, so the page's policy counts only where `strict` says so.
        """
        context = self.browser.new_context(bypass_csp=not strict)
        self.log_in(context, self.user)
        context.set_default_timeout(PATIENCE_MS)
        return context

    def log_in(self, context: BrowserContext, user: User) -> None:
        """As a login in another tab does."""
        value = self.session_key(user)
        context.add_cookies([{"name": "sessionid", "value": value, "url": self.site.url}])

    def open(self, context: BrowserContext, *, path: str = "/", **options: Any) -> Page:
        """The page, its console silent, once its socket is open."""
        page = context.new_page()
        page.goto(self.page_url(path, **options))
        wait_for_state(page, "open")
        return page


class DrivenWorld(Backend):
    """With one of three browsers."""

    def __init__(self, site: Site, gateway: GatewayHandle, driver: Driver) -> None:
        super().__init__(site, gateway)
        self.driver = driver
        self.profiles: list[Profile] = []

    def close(self) -> None:
        for profile in self.profiles:
            profile.close()
        super().close()

    def profile(self) -> Profile:
        """A browser of its own, in which ada is logged in."""
        profile = self.driver.profile()
        self.profiles.append(profile)
        self.log_in(profile, self.user)
        return profile

    def log_in(self, profile: Profile, user: User | None) -> None:
        """As a login in another tab does; for nobody, as a logout of which no page hears."""
        key = self.session_key(user) if user else ""
        profile.open(f"{self.site.url}/session/?key={key}").close()

    def open(self, profile: Profile, **options: Any) -> Tab:
        """The page, once its socket is open."""
        tab = profile.open(self.page_url(**options))
        expect_state(tab, "open")
        return tab


def expect_state(tab: Tab, state: str) -> None:
    tab.wait_for(f"document.getElementById('state').textContent === {json.dumps(state)}")


def wait_for_state(page: Page, state: str) -> None:
    page.get_by_text(state, exact=True).wait_for()
