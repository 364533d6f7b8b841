"""What `broadcast` refuses: wrong usage is status 2, what cannot be read is one line."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest

from tests.commands.broadcasts import ended, error, pipe, process, run

pytestmark = pytest.mark.django_db(transaction=True)


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
        ("NaN", "NaN is not a JSON value"),
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
    assert str(error("lobby")) == "stdin: it is empty, there is no message."


def test_a_message_one_byte_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = "é" * 65_535
    assert run("lobby", json.dumps(largest)).startswith("No open connections")
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


@pytest.mark.parametrize("line", ["lobby0=", '{"connection": 1}', '{"connection_id": 1}', "[", '"a"', "\xff"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "failed.jsonl"
    file.write_bytes(b'{"connection_id": "a="}\n' + line.encode("latin-1") + b"\n")

    done = ended("--only-from", str(file), "{}")

    assert done.status == 1
    assert done.stderr.startswith(f'{file}, line 2: not a JSON object with a "connection_id"')


def test_files_that_cannot_be_read_or_written_are_named(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no" / "file")

    unread = ended("--only-from", nowhere, "{}")
    unwritten = ended("lobby", "{}", "--failures-to", nowhere)

    assert (unread.status, unread.stderr) == (1, f"{nowhere} cannot be read: No such file or directory.")
    assert (unwritten.status, unwritten.stderr) == (
        1,
        f"{nowhere} cannot be written: No such file or directory.",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["lobby", "{}", "--engine", "carrier-pigeon"], "invalid choice", id="engine"),
        pytest.param(["lobby", "{}", "--max-per-second", "-1"], "not a number of posts", id="pace"),
        pytest.param(["lobby", "{}", "--max-per-second", "nan"], "not a number of posts", id="no-number"),
        pytest.param(["lobby", "{}", "--concurrency", "0"], "is not a positive integer", id="concurrency"),
        pytest.param(["lobby", "{}", "--wait"], "--wait requires", id="wait"),
        pytest.param(
            ["lobby", "{}", "--status", "1"], "without recipients and message", id="status-and-channel"
        ),
        pytest.param(["--status", "1", "--cancel", "1"], "Give one of --status ID", id="two-deeds"),
        pytest.param(["lobby", "{}", "--enqueue", "--engine", "boto3"], "--engine cannot be", id="enqueue"),
        pytest.param(
            ["--only-from", "a", "--failures-to", "./a", "{}"], "must be two files", id="one-file-for-both"
        ),
        pytest.param(["--status", "x"], "is not a positive integer", id="no-id"),
    ],
)
def test_wrong_use_of_the_options_is_status_2(words: list[str], message: str) -> None:
    caught = error(*words)

    assert message in str(caught)
    # Called from here, what argparse refuses has another status than in a shell.
    assert caught.returncode == 2 or str(caught).startswith("Error: argument")


def test_a_number_that_names_no_broadcast_is_said() -> None:
    assert "There is no broadcast 4711." in ended("--status", "4711").stderr
