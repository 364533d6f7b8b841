"""`broadcast` that is asked to end, on a full disk, with its streams closed: what was done is reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.broadcasts import ROOT, ended, environment, process
from tests.factories import WebSocketSessionFactory
from tests.sink import Sink
from tests.support.untraced import untraced
from websocket_gateway.models import ApiGateway, BroadcastRun, WebSocketSession

pytestmark = pytest.mark.django_db(transaction=True)

FULL = Path("/dev/full")
RECIPIENTS = 300


@pytest.fixture
def many(gateway: ApiGateway) -> None:
    """300 sockets, of which the first 5 are gone."""
    for number in range(RECIPIENTS):
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"c{number}=")


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def interrupted(sink: Sink, number: signal.Signals, *options: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of a broadcast that gets a signal once ten recipients have the message."""
    sink.delay_seconds = 0.5
    command = [sys.executable, "-m", "django", "broadcast", "lobby", "{}", *options]
    with subprocess.Popen(
        [*command, "--settings", "tests.settings"],
        cwd=ROOT,
        env=environment(untraced()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A signal that is ignored, as under nohup, stays so in children.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as running:
        wait_until(lambda: len(sink.received) >= 10)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    return running.returncode, out, err


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["SIGTERM", "SIGHUP"]
)
@pytest.mark.usefixtures("many")
def test_a_signal_ends_it_like_ctrl_c_with_the_report_so_far(
    sink: Sink, number: signal.Signals, status: int
) -> None:
    for gone in range(5):
        sink.answers[f"c{gone}="] = 410

    returncode, out, err = interrupted(sink, number)

    assert returncode == status
    assert out.startswith("Sent to channel 'lobby': ")
    assert 0 < int(out.split(":")[1].split()[0]) < RECIPIENTS
    assert err.endswith("CommandError: Interrupted; the rest was not sent.\n")
    assert "Traceback" not in err
    # What was found out before the signal is not lost.
    assert WebSocketSession.objects.filter(connected=False).count() == 5


@pytest.mark.usefixtures("many")
def test_sigterm_while_waiting_for_an_enqueued_broadcast_names_it_first_and_keeps_it(sink: Sink) -> None:
    returncode, out, err = interrupted(sink, signal.SIGTERM, "--enqueue", "--wait")

    run = BroadcastRun.objects.get()
    assert returncode == 143
    assert f"Broadcast {run.pk} to channel 'lobby' is saved.\n" in err
    assert err.index("is saved") < err.index("CommandError: ")
    assert err.endswith(f"CommandError: Interrupted; resume it with: broadcast --resume {run.pk}\n")
    assert out.startswith(f"Broadcast {run.pk} to channel 'lobby' is running: ")
    sink.delay_seconds = 0.0
    assert ended("--resume", str(run.pk), "--wait").status == 0
    assert len(sink.received) == RECIPIENTS


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.usefixtures("many")
def test_a_full_disk_ends_the_list_of_failures_and_not_the_broadcast(sink: Sink) -> None:
    for number in range(20):
        sink.answers[f"c{number}="] = 403

    done = process("lobby", "{}", "--failures-to", str(FULL))

    assert done.returncode == 3
    assert f"Sent to channel 'lobby': 280 of {RECIPIENTS} delivered" in done.stdout
    assert (
        "/dev/full is not complete: 20 failures are missing in it (No space left on device).\n" in done.stderr
    )
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("many")
def test_a_list_of_failures_has_every_failure(sink: Sink, tmp_path: Path) -> None:
    for number in range(3):
        sink.answers[f"c{number}="] = 403
    listed = tmp_path / "failures"
    listed.write_text("from before\n")

    done = ended("lobby", "{}", "--failures-to", str(listed))

    assert done.status == 3
    assert "not complete" not in done.stderr
    found = sorted(json.loads(line)["connection_id"] for line in listed.read_text().splitlines())
    assert found == ["c0=", "c1=", "c2="]


@pytest.mark.parametrize("closed", ["2>&-", "1>&-", "1>&- 2>&-", "0<&-"])
@pytest.mark.usefixtures("lobby")
def test_it_sends_with_a_stream_that_is_closed(sink: Sink, closed: str) -> None:
    command = f"exec {sys.executable} -m django broadcast lobby '{{}}' --settings tests.settings {closed}"

    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env=environment(), capture_output=True, timeout=60)

    assert done.returncode == 0
    assert len(sink.received) == 3
    assert (b"3 of 3 delivered" in done.stdout) == ("1>&-" not in closed)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.usefixtures("lobby")
def test_every_command_works_on_a_read_only_file_system(sink: Sink, tmp_path: Path) -> None:
    script = r"""
        for place in $(cut -d' ' -f2 /proc/mounts | grep -v -e ^/proc -e ^/sys -e ^/dev); do
            mount -o remount,ro,bind "$place" 2>/dev/null
        done
        if touch "$1/file" 2>/dev/null; then echo writable; exit; fi
        "$0" -m django check_ws_settings --format text
        echo "status $?"
        "$0" -m django broadcast lobby '{}' --failures-to "$1/file"
        echo "status $?"
        "$0" -m django broadcast lobby '{}'
        echo "status $?"
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable, str(tmp_path)],
        cwd=ROOT,
        env=environment({**untraced(), "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONDEVMODE": ""}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode or "writable" in done.stdout:
        pytest.skip("this machine has no mounts of its own for a process")

    assert "Traceback" not in done.stderr
    assert done.stdout.count("status 0\n") >= 1
    assert f"{tmp_path}/file cannot be written: Read-only file system." in done.stderr
    assert "3 of 3 delivered" in done.stdout
