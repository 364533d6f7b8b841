"""`broadcast` as a process: its streams, its progress bar, its exit status, Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from tests.commands.broadcasts import ROOT, environment, process
from tests.factories import WebSocketSessionFactory
from tests.sink import Sink
from tests.support.untraced import untraced
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert "error: argument message: The message is not JSON" in done.stderr
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
        command,
        cwd=ROOT,
        env=environment(untraced()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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
