"""What `create_gateway` refuses, and what it says when AWS refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from django.test import override_settings

from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory
from tests.support.commands import TARGET, run
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.wanted import unwise
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

pytestmark = pytest.mark.django_db


def test_an_api_that_was_deleted_behind_our_back_is_not_silently_made_anew(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)
    old = ApiGateway.objects.get().api_id
    aws.delete_api(ApiId=old)

    refused = run("create_gateway")
    asked = run("create_gateway", "--recreate")
    done = run("create_gateway", "--recreate", "--no-input")

    assert refused.status == 1
    assert f"AWS does not know API {old!r} of gateway 'chat'" in refused.stderr
    assert "region eu-west-1" in refused.stderr
    assert "create_gateway chat --recreate" in refused.stderr
    assert asked.status == 1
    assert "pass --no-input" in asked.stderr
    assert done.status == 0
    assert ApiGateway.objects.get().api_id not in ("", old)
    assert run("create_gateway").stdout.startswith("Nothing to do")


def test_another_installation_s_api_is_left_alone(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)

    with override_settings(SECRET_KEY="copied database, other key"):
        ended = run("create_gateway")
        ApiGateway.objects.update(api_id="")
        by_mark = run("create_gateway")

    for refused in (ended, by_mark):
        assert refused.status == 1
        assert "belongs to another installation" in refused.stderr
    assert len(aws.get_apis()["Items"]) == 1


def test_a_failed_deployment_says_why_and_is_kept_as_the_last_error(settings: Any) -> None:
    with local_gateway(deployment_fails=True) as gateway:
        settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": gateway.endpoint_url}
        ended = run("create_gateway", "chat", *TARGET)

    assert ended.status == 1
    assert "as FAILED" in ended.stderr
    assert "What was deployed before keeps running" in ended.stderr
    assert ApiGateway.objects.get().last_error in ended.stderr


@pytest.mark.parametrize(
    ("argv", "message", "status"),
    [
        pytest.param((), "Which gateway? Give its NAME. There is none yet.", 2, id="no name, no row"),
        pytest.param(("chat",), "There is no gateway 'chat'.", 2, id="unknown name without a target"),
        pytest.param(("x" * 129, *TARGET), "at most 128 characters", 1, id="name too long"),
        pytest.param(
            ("chat", *TARGET, "--description", "d" * 1025), "api_description: ", 1, id="description too long"
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    django_local_gateway: GatewayHandle, argv: tuple[str, ...], message: str, status: int
) -> None:
    ended = run("create_gateway", *argv)

    assert ended.status == status
    assert message in ended.stderr
    assert "\n" not in ended.stderr
    assert not ApiGateway.objects.exists()


def test_with_several_rows_the_name_is_asked_for(django_local_gateway: GatewayHandle) -> None:
    ApiGatewayFactory.create(api_name="chat", planned=True)
    ApiGatewayFactory.create(api_name="news", planned=True)

    ended = run("create_gateway")

    assert (ended.status, ended.stderr) == (
        2,
        "Which gateway? Give its NAME. There is: 'chat', 'news'. "
        "To create one, give a NAME and --target https://www.example.com/ws/",
    )


def test_a_route_on_a_host_that_may_not_know_the_secret_stops_before_any_call() -> None:
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat")
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=gateway, route_key="move", integration_url="https://evil.example.net/"
    )

    ended = run("create_gateway")

    assert ended.status == 1
    assert "points at 'evil.example.net'" in ended.stderr
    assert 'WEBSOCKET_GATEWAY["ALLOWED_TARGET_HOSTS"]' in ended.stderr


def test_a_row_with_a_broken_route_is_named(aws: Any) -> None:
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat")
    route = ApiGatewayAdditionalRouteFactory.create(api_gateway=gateway, route_key="move")
    for values, message in [
        ({"integration_url": "nonsense"}, "Route 'move' of gateway 'chat': 'nonsense' is not an http"),
        ({"route_key": "$move", "integration_url": "https://www.example.com/"}, "belong to AWS"),
    ]:
        gateway.additional_routes.filter(pk=route.pk).update(**values)

        ended = run("create_gateway")

        assert ended.status == 1
        assert message in ended.stderr


@override_settings(AWS_GATEWAY_REGION_NAME="us-east-2")
def test_a_region_that_is_not_the_gateway_s_own_is_noted() -> None:
    gateway = ApiGatewayFactory.create(region_name="")

    assert list(unwise(gateway)) == [
        "the API is in eu-west-1; the region us-east-2 that is configured now is not used for it"
    ]


def test_a_plain_http_target_is_warned_about(aws: Any) -> None:
    ended = run("create_gateway", "chat", "--target", "http://web:8000/ws/")

    assert ended.status == 0
    assert "Note: http://web:8000/ws/ is plain http" in ended.stderr


def test_an_endpoint_that_nobody_listens_on_is_named() -> None:
    with override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": "http://127.0.0.1:9"}):
        ended = run("create_gateway", "chat", *TARGET)

    assert ended.status == 1
    assert "http://127.0.0.1:9" in ended.stderr
    assert "Is it running, and is ENDPOINT_URL right?" in ended.stderr
    assert not ApiGateway.objects.exists()


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    forget_clients()

    ended = run("create_gateway", "chat", *TARGET)

    assert ended.status == 1
    assert ended.stderr.startswith("No AWS credentials were found. Set AWS_IAM_PROFILE")


def test_a_missing_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    forget_clients()

    ended = run("create_gateway", "chat", *TARGET)

    assert ended.status == 1
    assert "Set AWS_GATEWAY_REGION_NAME (or AWS_REGION_NAME)" in ended.stderr


@pytest.fixture
def refusing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """An endpoint that answers every call with the status and error type it is told."""
    refusal = json.dumps({"message": "User is not authorized to perform: apigateway:GET"}).encode()
    answer: dict[str, Any] = {"status": 403, "type": "AccessDeniedException", "body": refusal, "seen": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer["seen"] += 1
            body = answer["body"]
            self.send_response(answer["status"])
            self.send_header("x-amzn-ErrorType", answer["type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}"}
    monkeypatch.setattr("websocket_gateway.aws.calls._BASE_SECONDS", 0.001)
    yield answer
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_refusal_for_want_of_permission_names_the_call(refusing: dict[str, Any]) -> None:
    ended = run("create_gateway", "chat", *TARGET)

    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == (
        "GetApis: AWS answered AccessDeniedException, User is not authorized to perform: apigateway:GET. "
        "The IAM policy of the credentials in use must allow apigateway:GET."
    )


def test_throttling_is_waited_out_and_then_reported(refusing: dict[str, Any]) -> None:
    refusing.update(status=429, type="TooManyRequestsException")

    ended = run("create_gateway", "chat", *TARGET)

    assert ended.status == 1
    assert "AWS limits the rate of GetApis; trying again in" in ended.stderr
    assert "AWS is limiting the rate of calls; run it again in a minute." in ended.stderr
    assert refusing["seen"] == 6


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["create_gateway", "chat", "--target", "no-url"], 2),
        (["create_gateway", "chat", "--stage", "a b"], 2),
        (["create_gateway", "chat", "--tag", "nonsense"], 2),
        (["create_gateway", "chat", "--default-channel", "c" * 192], 2),
        (["create_gateway", "chat", "--colour"], 2),
    ],
)
def test_usage_errors_end_with_status_2_and_no_traceback(argv: list[str], status: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "django", *argv], capture_output=True, text=True, check=False
    )

    assert ended.returncode == status
    assert "Traceback" not in ended.stderr
    assert "error: " in ended.stderr


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>hello</html>", id="html"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'"x"', id="string"),
        pytest.param(b'{"items": null}', id="no items"),
        pytest.param(b'{"items": "abc"}', id="items are a string"),
        pytest.param(b'{"items": [{}]}', id="an item without an id"),
        pytest.param(b'{"items": [], "nextToken": "t"}', id="pages without end"),
    ],
)
def test_an_endpoint_that_is_no_api_gateway_is_one_line(refusing: dict[str, Any], body: bytes) -> None:
    refusing.update(status=200, type="", body=body)

    ended = run("create_gateway", "chat", *TARGET)

    assert ended.status == 1
    assert ended.stderr.splitlines()[-1].endswith("did not come from API Gateway. Is ENDPOINT_URL right?")
    assert not ApiGateway.objects.filter(api_created=True).exists()
