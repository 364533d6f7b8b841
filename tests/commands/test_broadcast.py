"""`broadcast`: what is typed, what is printed, what it exits with."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.factories import UserFactory, WebSocketSessionFactory
from tests.sink import Sink, running_sink
from tests.support.commands import Ended
from tests.support.commands import run as run_command
from websocket_gateway.management import progress
from websocket_gateway.models import ApiGateway, BroadcastRun
from websocket_gateway.services.reports import DeliveryReport
from websocket_gateway.services.runs import create_run

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running_sink() as server:
        yield server


@pytest.fixture
def gateway(sink: Sink) -> ApiGateway:
    return sink.gateway()


@pytest.fixture
def lobby(gateway: ApiGateway) -> None:
    for number in range(3):
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"lobby{number}=")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("broadcast", *words, stdout=out, no_color=True)
    return out.getvalue()


def error(*words: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*words)
    assert "\n" not in str(caught.value)
    return caught.value


def pipe(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def environment() -> dict[str, str]:
    """A process of its own must meet the database of this test, whatever that is called."""
    return {**os.environ, "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"])}


def process(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "django", "broadcast", *words, "--settings", "tests.settings"]
    options.setdefault("input", "")
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, **options
    )


@pytest.mark.usefixtures("lobby")
def test_it_sends_to_the_channel_and_says_so(sink: Sink) -> None:
    out = run("lobby", '{"text": "hi", "n": [1, null]}')

    assert list(sink.received.values()) == [[b'{"text":"hi","n":[1,null]}']] * 3
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
        b'{"from":"option"}',
        b'{"from":"file"}',
        b'{"from":"stdin"}',
        b'{"from":"dash"}',
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
    assert run("empty", "{}") == "Nobody is connected (channel 'empty'): nothing was sent.\n"


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

    with pytest.raises(CommandError, match="1 of 1 recipients did not get the message") as caught:
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param([], "Give one of: a channel, --user NAME, --all", id="nobody"),
        pytest.param(["lobby", "{}", "--all"], "Give one of", id="channel-and-all"),
        pytest.param(["lobby", "{}", "--user", "ada"], "Give one of", id="channel-and-user"),
        pytest.param(["lobby", "--all", "--message", "{}"], "Give one of", id="channel-and-all-option"),
        pytest.param(["--all", "--user", "ada", "{}"], "Give one of", id="all-and-user"),
        pytest.param(["lobby", "{}", "--message", "{}"], "Give one message", id="two-messages"),
        pytest.param(["lobby", "{}", "--file", "x"], "Give one message", id="message-and-file"),
        pytest.param(["--all", "{}", "--message", "{}"], "Give one message", id="all-and-two-messages"),
        pytest.param(["", "{}"], "must not be empty", id="empty-channel"),
        pytest.param(["x" * 192, "{}"], "at most 191 characters; this one has 192", id="long-channel"),
        pytest.param(["--all", "{oops"], "line 1, column 2", id="all-and-bad-json"),
    ],
)
def test_wrong_usage_is_status_2(words: list[str], message: str) -> None:
    caught = error(*words)

    assert message in str(caught)
    assert caught.returncode == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n  oops}', "line 2, column 3"),
        ("hello", "line 1, column 1"),
        ("NaN", "NaN is no JSON value"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_bad_json_is_told_with_its_place(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "m.json"
    file.write_text(text)

    assert message in str(error("lobby", text))
    caught = error("lobby", "--file", str(file))
    assert str(caught).startswith(f"{file}: The message ")
    assert message in str(caught)
    assert caught.returncode == 1
    pipe(monkeypatch, text.encode())
    assert str(error("lobby")).startswith("stdin: The message ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--user", "nobody", "{}"], "No user is called 'nobody'", id="unknown-user"),
        pytest.param(["lobby", "--file", "/no/such/file"], "cannot be read: No such file", id="no-file"),
        pytest.param(["lobby", "--file", "/"], "cannot be read: Is a directory", id="directory"),
        pytest.param(["lobby", '{"_ws": {}}'], "reserved", id="reserved-key"),
        pytest.param(["lobby", "1e999"], "cannot be written as JSON", id="infinity"),
        pytest.param(["lobby", '"\\ud800"'], "lone surrogate", id="surrogate"),
    ],
)
def test_bad_input_is_one_line_and_status_1(words: list[str], message: str) -> None:
    caught = error(*words)

    assert message in str(caught)
    assert caught.returncode == 1


def test_bytes_that_are_no_text_and_an_empty_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, b'{"a": "\xff"}')
    assert str(error("lobby")) == "stdin: byte 8 is not valid UTF-8."
    pipe(monkeypatch, b" \n")
    assert str(error("lobby")) == "stdin: there is no message, it is empty."


def test_a_message_one_byte_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = "é" * 65_535
    assert run("lobby", json.dumps(largest)).startswith("Nobody")
    assert "131,073 bytes; API Gateway takes at most 131,072" in str(
        error("lobby", json.dumps(largest + "x"))
    )
    pipe(monkeypatch, b" " * 5_000_000)
    assert "far more than the 131,072 bytes" in str(error("lobby"))


def test_a_terminal_with_nothing_piped_is_not_waited_for() -> None:
    leader, follower = pty.openpty()
    try:
        done = process("lobby", input=None, stdin=follower)
    finally:
        os.close(leader)
        os.close(follower)

    assert done.returncode == 2
    assert "No message was given" in done.stderr


@pytest.mark.usefixtures("lobby")
def test_as_a_process_stdout_holds_the_report_and_nothing_else(sink: Sink) -> None:
    done = process("lobby", input='{"n": 1}')

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Sent to channel 'lobby': 3 of 3 delivered")
    assert len(sink.received) == 3


@pytest.mark.usefixtures("lobby")
def test_on_a_terminal_a_bar_stands_on_stderr_while_it_runs(sink: Sink) -> None:
    sink.delay_seconds = 0.3
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.set_blocking(leader, False)
    command = [sys.executable, "-m", "django", "broadcast", "lobby", "{}", "--settings", "tests.settings"]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=follower,
            timeout=60,
        )
        bar = os.read(leader, 100_000).decode()
    finally:
        os.close(leader)
        os.close(follower)

    assert done.returncode == 0
    assert done.stdout.startswith(b"Sent to channel 'lobby': 3 of 3 delivered")
    assert "/3 [" in bar
    assert "Sent to" not in bar


def test_as_a_process_bad_json_is_status_2_and_no_traceback() -> None:
    done = process("lobby", "{oops")

    assert done.returncode == 2
    assert "error: argument message: The message is no JSON" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.usefixtures("lobby")
def test_as_a_process_without_credentials_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    done = process("lobby", "{}")

    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: No AWS credentials were found. Set AWS_IAM_PROFILE")
    assert done.stderr.count("\n") == 1


def test_ctrl_c_prints_the_report_so_far_and_is_status_130(sink: Sink, gateway: ApiGateway) -> None:
    for number in range(300):
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"c{number}=")
    sink.delay_seconds = 0.5
    command = [sys.executable, "-m", "django", "broadcast", "lobby", "{}", "--settings", "tests.settings"]

    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        until = time.monotonic() + 30
        while len(sink.received) < 10 and time.monotonic() < until:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)

    assert running.returncode == 130
    # Under PYTHONDEVMODE asyncio speaks of slow steps before that.
    assert err.endswith("CommandError: Interrupted; the rest was not sent.\n")
    assert "Traceback" not in err
    assert out.startswith("Sent to channel 'lobby': ")
    delivered = int(out.split(":")[1].split()[0])
    # The signal may strike between an answer and its being counted.
    assert abs(delivered - len(sink.received)) <= 2
    assert 0 < delivered < 300


def ended(*words: str) -> Ended:
    return run_command("broadcast", *words)


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
    assert sink.received == {"lobby1=": [b"{}"], "lobby0=": [b'{"n":2}'], "lobby2=": [b'{"n":2}']}
    assert again.read_text() == ""


@pytest.mark.usefixtures("lobby")
def test_who_is_no_longer_connected_is_counted(sink: Sink, tmp_path: Path) -> None:
    file = tmp_path / "failed.jsonl"
    file.write_text('{"connection_id": "lobby0="}\n\n{"connection_id": "left="}\n')

    done = ended("--only-from", str(file), "{}")

    assert done.stdout.startswith(f"Sent to the connections in {file}: 1 of 1 delivered")
    assert done.stderr.strip() == "1 of 2 are no longer connected."


@pytest.mark.parametrize("line", ["lobby0=", '{"connection": 1}', '{"connection_id": 1}', "[", '"a"', "\xff"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "failed.jsonl"
    file.write_bytes(b'{"connection_id": "a="}\n' + line.encode("latin-1") + b"\n")

    done = ended("--only-from", str(file), "{}")

    assert done.status == 1
    assert done.stderr.startswith(f'{file}, line 2: no JSON object with a "connection_id"')


def test_files_that_cannot_be_read_or_written_are_named(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no" / "file")

    unread = ended("--only-from", nowhere, "{}")
    unwritten = ended("lobby", "{}", "--failures-to", nowhere)

    assert (unread.status, unread.stderr) == (1, f"{nowhere} cannot be read: No such file or directory.")
    assert (unwritten.status, unwritten.stderr) == (
        1,
        f"{nowhere} cannot be written: No such file or directory.",
    )


@pytest.mark.usefixtures("lobby")
def test_options_beat_the_settings(sink: Sink, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"SEND_ENGINE": "boto3", "SEND_MAX_PER_SECOND": 1, "SEND_CONCURRENCY": 1}

    out = run(
        *("lobby", "{}", "--engine", "asyncio", "--max-per-second", "0", "--concurrency", "9"),
        *("--format", "json"),
    )

    assert json.loads(out)["engine"] == "asyncio"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["lobby", "{}", "--engine", "carrier-pigeon"], "invalid choice", id="engine"),
        pytest.param(["lobby", "{}", "--max-per-second", "-1"], "no number of posts", id="pace"),
        pytest.param(["lobby", "{}", "--max-per-second", "nan"], "no number of posts", id="no-number"),
        pytest.param(["lobby", "{}", "--concurrency", "0"], "no whole number above zero", id="concurrency"),
        pytest.param(["lobby", "{}", "--wait"], "--wait goes with", id="wait"),
        pytest.param(
            ["lobby", "{}", "--status", "1"], "neither audience nor message", id="status-and-channel"
        ),
        pytest.param(["--status", "1", "--cancel", "1"], "Give one of --status ID", id="two-deeds"),
        pytest.param(["lobby", "{}", "--enqueue", "--engine", "boto3"], "--engine does not go", id="enqueue"),
        pytest.param(
            ["--only-from", "a", "--failures-to", "./a", "{}"], "must be two files", id="one-file-for-both"
        ),
        pytest.param(["--status", "x"], "no whole number above zero", id="no-id"),
    ],
)
def test_wrong_use_of_the_options_is_status_2(words: list[str], message: str) -> None:
    caught = error(*words)

    assert message in str(caught)
    # Called from here, what argparse refuses has another status than in a shell.
    assert caught.returncode == 2 or str(caught).startswith("Error: argument")


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
        r"1 of 1 shards finished, 0 being sent\.\n  failed   1\n    1 x ForbiddenException .*\n",
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


def test_a_number_that_names_no_broadcast_is_said() -> None:
    assert "There is no broadcast 4711." in ended("--status", "4711").stderr


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_SECONDS", 0.0)
    lines: list[str] = []

    with progress.delivery_progress(lambda: 40, lines.append) as show:
        show(DeliveryReport(delivered=9, failed=1))
        show(DeliveryReport(delivered=50))

    assert re.fullmatch(r"10 of 40 sent, 1 failed, \d+ a second, about \d+ s left\.", lines[0])
    assert lines[1].startswith("50 of 50 sent, ")
