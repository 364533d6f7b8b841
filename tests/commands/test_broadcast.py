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
from websocket_gateway.models import ApiGateway

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
    assert err == "CommandError: Interrupted; the rest was not sent.\n"
    assert out.startswith("Sent to channel 'lobby': ")
    delivered = int(out.split(":")[1].split()[0])
    # The signal may strike between an answer and its being counted.
    assert abs(delivered - len(sink.received)) <= 2
    assert 0 < delivered < 300
