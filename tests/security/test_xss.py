"""Markup in everything that a client or an operator writes: no page has an element more than without."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.template import Context, Template
from django.test import Client
from django.utils import timezone

import websocket_gateway
from tests.admin.clients import MODELS, address, client_with
from tests.factories import (
    ApiGatewayFactory,
    BroadcastRunFactory,
    ChannelPermissionFactory,
    ConnectionRateLimitFactory,
    UserFactory,
    WebSocketSessionFactory,
    WebSocketTokenFactory,
)
from websocket_gateway.models import Channel, ChannelCursor, ChannelMember, ChannelMessage, RefusalCount

pytestmark = pytest.mark.django_db

HARMLESS = "harmless"
TEXTS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)' autofocus='",
    "<!--<script>",
    "--><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</pre></code><b>bold</b>",
    "<iframe srcdoc='<script>1</script>'>",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "{{ request.user.password }}{% debug %}",
    "{% csrf_token %}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#x3c;script&#x3e;",
    "\\u003cscript\\u003e",
    "<ScRiPt/x>alert(1)</sCrIpT>",
    "%(count)s%n<b>",
    "\u2028alert(1)\u2029",
]


class Outline(HTMLParser):
    """The elements of a page with the names of their attributes, and where links and forms lead."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, ...]] = []
        self.targets: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *sorted(name for name, _value in attrs)))
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "action")]


def fill(text: str) -> dict[str, Any]:
    """Rows with the text in every field that takes it."""
    user = UserFactory.create(username=text, first_name=text, last_name=text)
    gateway = ApiGatewayFactory.create(
        api_name=text,
        api_description=text,
        stage_description=text,
        last_error=text,
        default_channel_name=text,
        tags={text: text},
        domain_name=text,
    )
    run = BroadcastRunFactory.create(
        finished=True, message=text.encode(), channel_name=text, user=user, started_by=user
    )
    return {
        "apigateway": gateway,
        "websocketsession": WebSocketSessionFactory.create(
            api_gateway=gateway, user=user, channel_name=text, connection_id=text
        ),
        "channelpermission": ChannelPermissionFactory.create(
            channel_name=text, description=text, any_of=[text]
        ),
        "connectionratelimit": ConnectionRateLimitFactory.create(key=f"connect:300s:ip:{text}"),
        "websockettoken": WebSocketTokenFactory.create(user=user),
        "broadcastrun": run,
        "channel": Channel.objects.create(name=text, last_offset=1),
        "channelmessage": ChannelMessage.objects.create(
            channel_name=text, offset=1, body=json.dumps({text: text}).encode()
        ),
        "channelmember": ChannelMember.objects.create(
            channel_name=text, member=text, present=True, info={text: text}
        ),
        "refusalcount": RefusalCount.objects.create(hour=timezone.now(), rule=text[:64], number=1),
        "channelcursor": ChannelCursor.objects.create(
            user=user, channel_name=text, epoch="e", acked_offset=1
        ),
    }


Page = Callable[[Client, dict[str, Any], str], Any]


def listed(model: str) -> Page:
    return lambda client, rows, text: client.get(
        address(f"{model}_changelist"), {"state": "all"} if model == "websocketsession" else {}
    )


def shown(model: str) -> Page:
    return lambda client, rows, text: client.get(address(f"{model}_change", rows[model].pk))


def searched(model: str) -> Page:
    return lambda client, rows, text: client.get(address(f"{model}_changelist"), {"q": text})


def action(name: str, **fields: str) -> Page:
    return lambda client, rows, text: client.post(
        address("websocketsession_changelist"),
        {
            "action": name,
            "_selected_action": [str(rows["websocketsession"].pk)],
            **{
                key: value.replace('"TEXT"', json.dumps(text)).replace("TEXT", text)
                for key, value in fields.items()
            },
        },
    )


def preview(client: Client, rows: dict[str, Any], text: str) -> Any:
    form = {"to": "everyone", "message": json.dumps({text: text}), "step": "preview"}
    return client.post(address("send"), form)


def wrong_form(client: Client, rows: dict[str, Any], text: str) -> Any:
    return client.post(
        address("send"), {"to": "user", "user": f"no {text}!", "message": f"no {text}", "step": "preview"}
    )


PAGES: dict[str, Page] = {
    **{f"list of {model}": listed(model) for model in MODELS},
    **{f"page of {model}": shown(model) for model in MODELS},
    "search of sessions": searched("websocketsession"),
    "search of gateways": searched("apigateway"),
    "form of a message": action("send_message"),
    "preview of a message": action("send_message", step="form", message='"TEXT"'),
    "question before closing": action("disconnect"),
    "form of a channel": action("change_channel", step="form", channel="TEXT", how="x"),
    "preview of a broadcast": preview,
    "form of a broadcast, wrong": wrong_form,
    "plan": lambda client, rows, text: client.get(address("plan", rows["apigateway"].pk)),
    "overview": lambda client, rows, text: client.get(address("overview")),
    "history of a gateway": lambda client, rows, text: client.get(
        address("apigateway_history", rows["apigateway"].pk)
    ),
    "page of the user": lambda client, rows, text: client.get(
        f"/admin/auth/user/{rows['websocketsession'].user_id}/change/"
    ),
}
TAGS = {
    "channel": "channel=text",
    "share key": "share_key=text",
    "nonce": "nonce=text",
    "gateway": "gateway=text",
    "overflow": "overflow=text",
}
CASES = 880
"""Each text on each page, in each argument of the tag, and in the figures of the live overview."""


@pytest.fixture(autouse=True)
def provisioning(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ADMIN_PROVISIONING": True, "ENDPOINT_URL": "http://127.0.0.1:9"}
    cache.clear()


def outline(page: Page, text: str) -> Outline:
    client = client_with(superuser=True)
    answer = page(client, fill(text), text)
    assert answer.status_code == 200
    return Outline(re.sub(r"<option[^>]*>[^<]*</option>", "", answer.content.decode()))


def test_the_tables_are_not_shortened() -> None:
    assert len(TEXTS) * (len(PAGES) + len(TAGS) + 1) == CASES


@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_an_element_more(page: str) -> None:
    wanted = outline(PAGES[page], HARMLESS).found

    changed = {}
    for text in TEXTS:
        cache.clear()
        found = outline(PAGES[page], text)
        foreign = [target for target in found.targets if target.lower().startswith(("javascript:", "data:"))]
        if sorted(set(found.found) - set(wanted)) or foreign:
            changed[text] = (sorted(set(found.found) - set(wanted)), foreign)

    assert changed == {}


@pytest.mark.parametrize("argument", TAGS.values(), ids=TAGS)
def test_nothing_breaks_out_of_the_template_tag(argument: str) -> None:
    ApiGatewayFactory.create()
    template = Template("{% load websocket_gateway %}{% websocket_client " + argument + " %}")

    broken = {}
    for text in TEXTS:
        html = template.render(Context({"text": text}))
        (config,) = re.findall(r'type="application/json">(.*?)</script>', html)
        names = Outline(html).found
        if [name[0] for name in names] != ["script", "script"] or not isinstance(json.loads(config), dict):
            broken[text] = html
        if "<" in config or "\u2028" in config:
            broken[text] = config

    assert broken == {}


def test_the_live_overview_gets_json_and_writes_text() -> None:
    client = client_with(superuser=True)
    for text in TEXTS:
        fill(text)
    answer = client.get(address("figures"))

    assert answer.headers["Content-Type"] == "application/json"
    assert {row["name"] for row in answer.json()["channels"]} <= {*TEXTS}


@pytest.mark.parametrize("script", ["overview.js", "permissions.js"])
def test_scripts_of_the_admin_write_text_and_no_markup(script: str) -> None:
    folder = Path(websocket_gateway.__file__).parent / "static/websocket_gateway/admin"

    text = (folder / script).read_text()

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )
