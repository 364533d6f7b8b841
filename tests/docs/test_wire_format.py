"""The wire format and what is told of an event: tried on a view, or compared with the code that reads it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from inspect import get_annotations
from typing import Any

import pytest
from django.test import override_settings

from tests.docs.pages import ROOT, blocks_of, names, prose, section, table_rows
from tests.factories import UserFactory
from websocket_gateway.frames import MAX_CLIENT_LENGTH, MAX_DEPTH, MAX_REPLY_ID_LENGTH, parse_frame
from websocket_gateway.models import Channel, ChannelMessage
from websocket_gateway.receiving.events import ConnectEvent, DisconnectEvent, MessageEvent
from websocket_gateway.testing.client import WebSocketClient
from websocket_gateway.views import WebSocketView, tokens
from websocket_gateway.views.hooks import WebSocketHooks

CONTROL_FRAMES = [
    (json.loads(names(asked)[0]), json.loads(names(answer)[0]) if names(answer) else None)
    for asked, answer in table_rows(section("wire_format.md", "## Control frames"))
]
IN_A_HANDLER = {row[0]: row[1] for row in table_rows(section("view.md", "## In a handler"))}


class Page(WebSocketView):
    """A view without handlers of its own."""


@pytest.fixture
def client(ws_client: Callable[..., WebSocketClient]) -> WebSocketClient:
    opened = ws_client(Page)
    assert opened.connect(user=UserFactory.create()).ok
    return opened


@pytest.mark.django_db
@pytest.mark.parametrize("reply_id", [None, "c7"])
def test_control_frames_are_answered_as_the_table_says(client: WebSocketClient, reply_id: str | None) -> None:
    for frame, answer in CONTROL_FRAMES:
        expected = answer
        if reply_id and answer:
            expected = {"_ws": {**answer["_ws"], "reply_to": reply_id}}

        reply = client.send(frame, reply_id=reply_id)

        assert reply.ok
        if answer or not reply_id:
            assert reply.json() == expected


@pytest.mark.django_db
@pytest.mark.parametrize("row", range(3))
def test_frames_about_positions_are_answered_as_the_table_says(client: WebSocketClient, row: int) -> None:
    epoch = "kX3v9aQ2ab_c"
    Channel.objects.create(name="orders_eu", epoch=epoch, last_offset=41)
    rows = list(table_rows(section("wire_format.md", "## Many channels, and positions")))
    asked, answer = rows[row]
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": {"orders_*": {"HISTORY_MESSAGES": 10}}}):
        client.control("subscribe", channel="orders_eu")
        reply = client.send(json.loads(names(asked)[0]))

    assert reply.json() == json.loads(names(answer)[0])


@pytest.mark.django_db
def test_an_acknowledgement_is_answered_as_the_table_says(ws_client: Callable[..., WebSocketClient]) -> None:
    ((asked, answer),) = table_rows(section("wire_format.md", "## Acknowledgements"))
    channel = Channel.objects.create(name="user_7", epoch="kX3v9aQ2ab_c", last_offset=43)
    for offset in range(1, 44):
        ChannelMessage.objects.create(channel_name=channel.name, offset=offset, body=b"{}")
    client = ws_client(Page)
    inboxes = {"user_*": {"HISTORY_MESSAGES": 100, "ACKS": True}}
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": inboxes}):
        client.connect(user=UserFactory.create(pk=7), channel=channel.name)
        reply = client.send(json.loads(names(asked)[0]))

    assert reply.json() == json.loads(names(answer)[0])


def test_every_control_frame_of_the_code_stands_in_the_table() -> None:
    source = (ROOT / "websocket_gateway/views/message.py").read_text()
    handled = set(re.findall(r'\bkind == "(\w+)"', source))

    assert handled
    assert handled <= {frame["_ws"]["type"] for frame, _ in CONTROL_FRAMES}


def test_every_frame_that_a_client_sends_in_the_page_can_be_read() -> None:
    for block in blocks_of("wire_format.md", "json"):
        assert parse_frame(block.text.encode()).reply_id == "c7"


def test_the_limits_of_a_frame_are_those_of_the_code() -> None:
    text = prose("wire_format.md")

    assert f"a string of 1 to {MAX_REPLY_ID_LENGTH} characters" in text
    assert f"a string of 1 to {MAX_CLIENT_LENGTH} characters" in text
    assert f"more than {MAX_DEPTH} levels" in text


def test_what_an_event_sets_on_the_view_is_explained() -> None:
    set_by_us = {name for name in get_annotations(WebSocketHooks) if not hasattr(WebSocketView, name)}

    assert set_by_us == set(re.findall(r"`self\.(\w+)`", " ".join(IN_A_HANDLER)))


def test_every_field_of_an_event_that_the_page_names_exists() -> None:
    named = {name for name in names(IN_A_HANDLER["`self.event`"]) if name.isidentifier()}
    fields = {name for event in (ConnectEvent, MessageEvent, DisconnectEvent) for name in dir(event)}

    assert {"connection_id", "message_id"} <= named
    assert named <= fields


def test_the_answers_of_the_token_view_are_those_of_the_page() -> None:
    told: set[tuple[str, Any]] = {
        (row[0].split()[0], json.loads(names(row[0])[0]).get("error"))
        for row in table_rows(section("tokens.md", "## `WebSocketTokenView`"))
    }
    refused = re.findall(r'"error": "(\w+)"}, status=(\d+)', inspect.getsource(tokens))

    assert told == {(status, code) for code, status in refused} | {("200", None)}
