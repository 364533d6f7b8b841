"""`broadcast`: to whom it sends what, and what it reports."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.commands.broadcasts import ended, error, pipe, run
from tests.factories import UserFactory, WebSocketSessionFactory
from tests.sink import Sink, running_sink
from websocket_gateway.management import delivery
from websocket_gateway.models import ApiGateway, BroadcastRun, Channel
from websocket_gateway.sending import DeliveryReport
from websocket_gateway.sending.runs import create_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.usefixtures("lobby")
def test_it_sends_to_the_channel_and_says_so(sink: Sink) -> None:
    out = run("lobby", '{"text": "hi", "n": [1, null]}')

    assert list(sink.received.values()) == [[b'{"text":"hi","n":[1,null],"_ws":{"channel":"lobby"}}']] * 3
    assert re.fullmatch(r"Sent to channel 'lobby': 3 of 3 delivered in \d+\.\d s\.\n", out)


@pytest.mark.parametrize(
    ("text", "frame"),
    [('"hello"', b'"hello"'), ("null", b"null"), ("-5", b"-5"), ("[ ]", b"[]"), ('"é"', b'"\xc3\xa9"')],
)
@pytest.mark.usefixtures("lobby")
def test_every_json_document_is_sent_as_that_document(sink: Sink, text: str, frame: bytes) -> None:
    run("lobby", text)

    assert sink.received["lobby0="] == [frame]


@pytest.mark.usefixtures("lobby")
def test_the_message_comes_from_option_file_or_stdin(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "message.json"
    file.write_bytes(b'\xef\xbb\xbf{\r\n  "from": "file"\r\n}\r\n')

    run("lobby", "--message", '{"from": "option"}')
    run("lobby", "--file", str(file))
    pipe(monkeypatch, b'{"from": "stdin"}\n')
    run("lobby")
    pipe(monkeypatch, b'{"from": "dash"}')
    run("lobby", "--file", "-")

    assert sink.received["lobby0="] == [
        b'{"from":"option","_ws":{"channel":"lobby"}}',
        b'{"from":"file","_ws":{"channel":"lobby"}}',
        b'{"from":"stdin","_ws":{"channel":"lobby"}}',
        b'{"from":"dash","_ws":{"channel":"lobby"}}',
    ]


@pytest.mark.usefixtures("lobby")
def test_user_and_all_stand_in_place_of_a_channel(sink: Sink, gateway: ApiGateway) -> None:
    WebSocketSessionFactory.create(
        api_gateway=gateway, connection_id="ada=", channel_name="", user=UserFactory.create(username="ada")
    )

    to_user = run("--user", "ada", '{"n": 1}')
    to_all = run("--all", "--message", '{"n": 2}')

    assert to_user.startswith("Sent to user 'ada': 1 of 1 delivered")
    assert to_all.startswith("Sent to everyone: 4 of 4 delivered")
    assert sink.received["ada="] == [b'{"n":1}', b'{"n":2}']


def test_nobody_there_is_said_plainly_and_is_no_failure() -> None:
    assert run("empty", "{}") == "No open connections (channel 'empty'): nothing was sent.\n"


@pytest.mark.usefixtures("lobby")
def test_the_report_is_json_when_asked_for(sink: Sink) -> None:
    sink.answers = {"lobby0=": 410, "lobby1=": 403}
    out = io.StringIO()

    with pytest.raises(CommandError):
        call_command("broadcast", "lobby", "{}", "--format", "json", stdout=out)

    report = json.loads(out.getvalue())
    assert report.pop("seconds") >= 0
    (failure,) = report.pop("failures")
    assert failure["connection_id"] == "lobby1="
    assert report.pop("reasons") == {failure["reason"]: 1}
    assert report == {
        "recipients": 3,
        "delivered": 1,
        "gone": 1,
        "failed": 1,
        "retried": 0,
        "engine": "boto3",
    }


@pytest.mark.usefixtures("lobby")
def test_some_failed_is_status_3_and_the_report_says_why(sink: Sink) -> None:
    sink.answers = {"lobby0=": 410, "lobby1=": 403}
    out = io.StringIO()

    with pytest.raises(CommandError, match="1 of 3 recipients did not get the message") as caught:
        call_command("broadcast", "lobby", "{}", stdout=out)

    assert caught.value.returncode == 3
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("Sent to channel 'lobby': 1 of 3 delivered")
    assert lines[1:3] == ["  gone     1  (their sessions are marked as ended)", "  failed   1"]
    assert lines[3].startswith("    1 x ForbiddenException from http://127.0.0.1:")


@pytest.mark.usefixtures("lobby")
def test_all_failed_is_status_1(sink: Sink) -> None:
    sink.answers = {f"lobby{number}=": 403 for number in range(3)}

    assert error("lobby", "{}").returncode == 1


def test_an_endpoint_where_nobody_listens_is_status_1_and_named() -> None:
    with running_sink() as closed:
        gateway = closed.gateway()
    WebSocketSessionFactory.create(api_gateway=gateway)
    out = io.StringIO()

    with pytest.raises(CommandError, match="1 of 1 recipient did not get the message") as caught:
        call_command("broadcast", "lobby", "{}", stdout=out)

    assert caught.value.returncode == 1
    assert f"1 x no answer from http://127.0.0.1:{closed.port}/" in out.getvalue()


def test_without_a_region_it_names_the_setting(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {}
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    WebSocketSessionFactory.create(api_gateway=sink.gateway(region_name=""))

    caught = error("lobby", "{}")

    assert "Set AWS_GATEWAY_REGION_NAME" in str(caught)
    assert (caught.returncode, sink.requests) == (1, [])


@pytest.mark.usefixtures("lobby")
def test_failures_stand_in_a_file_and_can_be_sent_to_again(sink: Sink, tmp_path: Path) -> None:
    failed, again = tmp_path / "failed.jsonl", tmp_path / "again.jsonl"
    sink.answers = {"lobby0=": 403, "lobby2=": 403}

    first = ended("lobby", "{}", "--failures-to", str(failed))
    sink.answers = {}
    second = ended("--only-from", str(failed), '{"n": 2}', "--failures-to", str(again))

    assert (first.status, second.status) == (3, 0)
    lines = [json.loads(line) for line in failed.read_text().splitlines()]
    assert {line["connection_id"] for line in lines} == {"lobby0=", "lobby2="}
    assert all(line["reason"].startswith("ForbiddenException from ") for line in lines)
    assert second.stdout.startswith(f"Sent to the connections in {failed}: 2 of 2 delivered")
    assert sink.received.pop("lobby1=") == [b'{"_ws":{"channel":"lobby"}}']
    assert sink.received == {"lobby0=": [b'{"n":2}'], "lobby2=": [b'{"n":2}']}
    assert again.read_text() == ""


@pytest.mark.usefixtures("lobby")
def test_who_is_no_longer_connected_is_counted(sink: Sink, tmp_path: Path) -> None:
    file = tmp_path / "failed.jsonl"
    file.write_text('{"connection_id": "lobby0="}\n\n{"connection_id": "left="}\n')

    done = ended("--only-from", str(file), "{}")

    assert done.stdout.startswith(f"Sent to the connections in {file}: 1 of 1 delivered")
    assert done.stderr.strip() == "1 of 2 are no longer connected."


@pytest.mark.usefixtures("lobby")
def test_options_beat_the_settings(sink: Sink, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"SEND_ENGINE": "boto3", "SEND_MAX_PER_SECOND": 1, "SEND_CONCURRENCY": 1}

    out = run(
        *("lobby", "{}", "--engine", "asyncio", "--max-per-second", "0", "--concurrency", "9"),
        *("--format", "json"),
    )

    assert json.loads(out)["engine"] == "asyncio"


def test_without_a_queue_enqueueing_says_what_to_configure(gateway: ApiGateway) -> None:
    WebSocketSessionFactory.create(api_gateway=gateway)

    done = ended("lobby", "{}", "--enqueue")

    assert done.status == 1
    assert "Configure a queue in TASKS" in done.stderr


@pytest.mark.usefixtures("lobby")
def test_with_wait_it_needs_no_queue_and_reports_the_whole(sink: Sink) -> None:
    sink.answers = {"lobby1=": 403}

    done = ended("lobby", "{}", "--enqueue", "--wait")
    number = BroadcastRun.objects.get().pk

    assert done.status == 3
    assert re.fullmatch(
        rf"Broadcast {number} to channel 'lobby' is finished: 2 of 3 delivered in \d+\.\d s, "
        r"1 of 1 shard finished, 0 being sent\.\n  failed   1\n    1 x ForbiddenException .*\n",
        done.stdout,
    )
    assert json.loads(run("--status", str(number), "--format", "json"))["state"] == "finished"


@pytest.mark.usefixtures("lobby")
def test_a_broadcast_left_behind_is_resumed_or_cancelled_by_its_number(sink: Sink) -> None:
    left, unwanted = create_run(b"1", channel="lobby"), create_run(b"2", channel="lobby")

    cancelled = ended("--cancel", str(unwanted.pk))
    again = ended("--cancel", str(unwanted.pk))
    resumed = ended("--resume", str(left.pk), "--wait")
    refused = ended("--resume", str(unwanted.pk), "--wait")

    assert cancelled.stdout.startswith(f"Broadcast {unwanted.pk} to channel 'lobby' is cancelled: 0 of 3")
    assert again.stderr.strip() == "Nothing to do: it is cancelled already."
    assert resumed.stdout.startswith(f"Broadcast {left.pk} to channel 'lobby' is finished: 3 of 3")
    assert (refused.status, "was cancelled" in refused.stderr) == (1, True)
    assert list(sink.received.values()) == [[b"1"]] * 3


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LINE_EVERY_SECONDS", 0.0)
    lines: list[str] = []

    with delivery.delivery_progress(lambda: 40, lines.append) as show:
        show(DeliveryReport(delivered=9, failed=1))
        show(DeliveryReport(delivered=50))

    assert re.fullmatch(r"10 of 40 sent, 1 failed, \d+ per second, about \d+ s left\.", lines[0])
    assert lines[1].startswith("50 of 50 sent, ")


@pytest.mark.usefixtures("lobby")
def test_the_offset_is_printed_where_the_channel_has_a_history(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"CHANNELS": {"*": {"HISTORY_MESSAGES": 10}}}

    first = run("lobby", '{"n": 1}')
    second = json.loads(run("lobby", '{"n": 2}', "--format", "json"))
    empty = run("nursery", '{"n": 1}')

    epoch = Channel.objects.get(name="lobby").epoch
    assert first.splitlines()[1] == f"  offset   1  (epoch {epoch})"
    assert (second["epoch"], second["offset"]) == (epoch, 2)
    assert empty == "No open connections (channel 'nursery'): saved at offset 1.\n"
