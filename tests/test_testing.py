"""The helpers for users' own tests do what their page says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest

from tests.factories import UserFactory
from websocket_gateway import testing
from websocket_gateway.aws.connections import get_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.exceptions import ConnectionGoneError
from websocket_gateway.models import WebSocketSession
from websocket_gateway.testing import FakeConnections, WebSocketClient, record_connections
from websocket_gateway.views import WebSocketView

ENDPOINT = ManagementEndpoint(url="https://api.example.com/production", region="eu-west-1")


class ChatView(WebSocketView):
    USE_WS_TOKEN = False

    def say(self, request: HttpRequest) -> dict[str, Any]:
        WebSocketSession.objects.in_channel("lobby").send_message({"said": self.body["text"]})
        return {"ok": True}


@pytest.mark.django_db
def test_client_connects_sends_receives_and_leaves(ws_client: Any) -> None:
    ada, bob = ws_client(ChatView), ws_client(ChatView)
    assert ada.connect(user=UserFactory.create(), channel="lobby").ok
    assert bob.connect(channel="lobby").ok

    reply = ada.send({"handler": "say", "text": "hello"}, reply_id="1")

    assert reply.json() == {"ok": True, "_ws": {"reply_to": "1"}}
    assert bob.received == [{"said": "hello", "_ws": {"channel": "lobby"}}]
    assert bob.disconnect().ok
    assert not bob.session.connected


@pytest.mark.django_db
@pytest.mark.parametrize("allowed", [None, ["https://*.example.org"], ["http://intra:8000"]])
def test_client_comes_from_an_allowed_page(ws_client: Any, settings: Any, allowed: list[str] | None) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": allowed}

    assert ws_client(ChatView).connect().ok
    assert ws_client(ChatView).connect(origin="https://evil.org").error == "origin_denied"


@pytest.mark.django_db
def test_client_makes_a_gateway_where_there_is_none() -> None:
    first, second = WebSocketClient(ChatView), WebSocketClient(ChatView.as_view())

    assert first.gateway == second.gateway
    assert first.connection_id != second.connection_id
    assert first.received == []


@pytest.mark.django_db
def test_reply_names_the_error_code(ws_client: Any) -> None:
    client = ws_client(ChatView)
    client.connect()

    assert client.send({"handler": "nonsense"}).error == "unknown_handler"
    assert client.send({"handler": "say", "text": "x"}).error is None
    assert "unknown_handler" in repr(client.send({"handler": "nonsense"}))


def test_fake_records_what_would_have_been_sent() -> None:
    with record_connections() as fake:
        assert get_connections() is fake
        fake.post(ENDPOINT, "a=", b'{"n": 1}')
        fake.post(ENDPOINT, "b=", b"text")
        fake.post(ENDPOINT, "a=", b'{"n": 2}')

    assert fake.by_connection() == {"a=": [{"n": 1}, {"n": 2}], "b=": ["text"]}
    assert get_connections() is not fake


def test_closed_connection_of_the_fake_is_gone() -> None:
    fake = FakeConnections()
    fake.get(ENDPOINT, "a=")
    fake.delete(ENDPOINT, "a=")

    assert fake.closed == ["a="]
    for call in (fake.get, fake.delete):
        with pytest.raises(ConnectionGoneError):
            call(ENDPOINT, "a=")


def test_fake_can_be_made_to_fail() -> None:
    fake = FakeConnections()
    fake.failures["a="] = LookupError()

    with pytest.raises(LookupError):
        fake.post(ENDPOINT, "a=", b"")


def test_every_name_of_the_package_is_there_and_no_other() -> None:
    names: dict[str, Any] = {name: getattr(testing, name) for name in testing.__all__}

    assert names["WebSocketClient"] is WebSocketClient
    assert set(names) <= set(dir(testing))
    with pytest.raises(AttributeError, match="has no attribute 'WebSocketClent'"):
        getattr(testing, "WebSocketClent")  # noqa: B009 - mypy would see that there is none


def test_importing_the_package_and_its_plugins_loads_no_server_and_no_boto3() -> None:
    code = (
        "import sys; from websocket_gateway.testing import fixtures, gateway;"
        'print(sorted({"boto3", "botocore", "uvicorn", "httptools", "django"} & set(sys.modules)))'
    )

    ended = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=60)

    assert (ended.stdout.strip(), ended.stderr) == ("[]", "")


@pytest.mark.django_db
def test_a_class_that_is_not_a_view_is_an_error_that_names_it(ws_client: Any) -> None:
    with pytest.raises(TypeError, match="Chat is not a view: give a subclass of WebSocketView"):
        ws_client(type("Chat", (), {}))


@pytest.mark.django_db
def test_a_frame_of_text_cannot_ask_for_a_reply(ws_client: Any) -> None:
    client = ws_client(ChatView)
    client.connect()

    with pytest.raises(TypeError, match="A frame with a reply_id must be a dict, not str"):
        client.send("hello", reply_id="1")


@pytest.mark.parametrize("loaded_by", ["-p", "pytest_plugins"])
def test_the_plugins_load_where_no_django_is_set_up(tmp_path: Path, loaded_by: str) -> None:
    plugins = ["websocket_gateway.testing.gateway", "websocket_gateway.testing.fixtures"]
    options = [word for plugin in plugins for word in ("-p", plugin)] if loaded_by == "-p" else []
    if loaded_by == "pytest_plugins":
        (tmp_path / "conftest.py").write_text(f"pytest_plugins = {plugins!r}\n")
    (tmp_path / "test_it.py").write_text(
        "def test_it(local_gateway):\n    assert local_gateway.connections() == ()\n"
    )
    words = (sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:django", *options, str(tmp_path))
    unwanted = ("DJANGO_", "PYTEST_")

    ended = subprocess.run(
        words,
        cwd=Path(__file__).parents[1],
        env={name: value for name, value in os.environ.items() if not name.startswith(unwanted)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
