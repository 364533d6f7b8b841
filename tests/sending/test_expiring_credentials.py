"""Credentials that expire in the middle of a run: a program hands them out, as for single sign-on."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.factories import ApiGatewayFactory
from tests.support.rawsink import RawSink, Reply, running_raw_sink, status_line
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import DeliveryReport, broadcast

pytestmark = pytest.mark.django_db

AUDIENCE = 3_500  # four pages
EXPIRED = Reply(raw=status_line(403, "ExpiredTokenException"))

# Numbers its keys. They hold for five minutes, which is so little that boto3 asks again whenever it is asked.
PROGRAM = """
echo x >> {folder}/calls
number=$(wc -l < {folder}/calls | tr -d ' ')
if [ "$number" -gt {calls} ]; then echo "the helper is broken" >&2; exit 1; fi
echo '{{"Version": 1, "AccessKeyId": "KEY'$number'", "SecretAccessKey": "s",'
echo ' "SessionToken": "token'$number'", "Expiration": "{expiration}"}}'
"""


@pytest.fixture
def use_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    """Have the credentials come from a program that can be asked so many times."""

    def use(*, calls: int) -> None:
        program = tmp_path / "credentials.sh"
        expiration = (timezone.now() + timedelta(minutes=5)).isoformat()
        program.write_text(PROGRAM.format(folder=tmp_path, calls=calls, expiration=expiration))
        config = tmp_path / "config"
        config.write_text(f"[profile fleeting]\nregion = eu-west-1\ncredential_process = sh {program}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        settings.AWS_IAM_PROFILE = "fleeting"
        settings.WEBSOCKET_GATEWAY = {
            "SEND_ENGINE": "asyncio",
            "SEND_MAX_PER_SECOND": 0,
            "SEND_CONCURRENCY": 8,
        }
        forget_clients()

    return use


def key_number(head: str) -> int:
    found = re.search(r"Credential=KEY(\d+)/", head)
    assert found, head
    return int(found[1])


def send(sink: RawSink) -> DeliveryReport:
    gateway = ApiGatewayFactory.create(api_endpoint=sink.socket_endpoint, stage_name="live")
    WebSocketSession.objects.bulk_create(
        WebSocketSession(connection_id=f"c{number:05}=", api_gateway=gateway, channel_name="lobby")
        for number in range(AUDIENCE)
    )
    return broadcast({}, channel="lobby")


def test_a_run_outlives_its_credentials(use_program: Any) -> None:
    use_program(calls=1_000)
    with running_raw_sink() as sink:
        # A page is 1,000 recipients, and asks for a key of its own: a key that serves on has expired.
        sink.answer = lambda name, _: (
            Reply() if len(sink.requests) <= 1_000 * key_number(sink.requests[-1][0]) else EXPIRED
        )

        report = send(sink)

    assert (report.delivered, report.failed) == (AUDIENCE, 0), report.reasons
    keys = {key_number(head) for head, _ in sink.requests}
    assert len(keys) >= 2
    assert all(f"token{key_number(head)}\r\n" in head for head, _ in sink.requests)


def test_credentials_that_cannot_be_renewed_fail_those_who_are_left_and_say_why(
    use_program: Any, caplog: pytest.LogCaptureFixture
) -> None:
    use_program(calls=2)
    with running_raw_sink() as sink:
        sink.answer = lambda name, _: Reply() if len(sink.requests) <= 2_000 else EXPIRED

        report = send(sink)

    assert (report.delivered, report.recipients) == (2_000, AUDIENCE)
    assert any("refusals in a row: ExpiredTokenException" in reason for reason in report.reasons)
    assert "The credentials cannot be renewed; the old ones stay in use." in caplog.messages
    assert "the helper is broken" in caplog.text


def test_a_program_that_is_broken_from_the_start_is_an_error_before_the_first_post(use_program: Any) -> None:
    use_program(calls=0)
    with running_raw_sink() as sink, pytest.raises(Exception, match="the helper is broken"):
        send(sink)

    assert sink.requests == []
