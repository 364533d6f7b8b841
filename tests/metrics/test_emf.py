"""Lines of EMF, and destinations that are slow, full, silent or away: no call waits, and none raises."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.conftest import Kept, RecordedEmf
from tests.metrics.emf_schema import check_line
from tests.metrics.figures import counts_of_lines, emf_lines
from tests.support.forking import ROOT
from websocket_gateway import metrics
from websocket_gateway.metrics import emf as emf_module
from websocket_gateway.metrics.emf import MAX_WAITING, EmfRecorder
from websocket_gateway.metrics.sockets import SocketOutput

LONGEST = 2.0
"""Seconds that a call which must not wait may take on a slow machine; a blocked one takes for ever."""


def test_a_line_has_the_metric_by_its_labels_and_over_all(emf: RecordedEmf) -> None:
    metrics.count("send.posts", 3, outcome="gone")
    metrics.count("send.posts", 2, outcome="gone")
    metrics.record("event.duration", 0.0123456789, event="message", code="ok")
    metrics.count("message.duplicates")

    posts, duplicates, events = emf.lines()

    assert posts["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "websocket_gateway",
            "Dimensions": [["outcome"], []],
            "Metrics": [{"Name": "websocket_gateway.send.posts", "Unit": "Count"}],
        }
    ]
    assert (posts["outcome"], posts["websocket_gateway.send.posts"]) == ("gone", 5)
    assert events["websocket_gateway.event.duration"] == [0.012346]
    assert events["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"] == "Seconds"
    assert duplicates["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


def test_the_longest_line_is_written_in_one_piece(emf: RecordedEmf) -> None:
    for number in range(350):
        metrics.record("event.duration", 99.999999 - number / 1e6, event="disconnect", code="not_subscribed")

    lines = emf.lines()

    assert [len(line["websocket_gateway.event.duration"]) for line in lines] == [100, 100, 100, 50]


def test_levels_keep_their_value_and_sums_begin_again(emf: RecordedEmf) -> None:
    metrics.count("send.backlog", 5)
    metrics.count("history.publishes", 2)
    emf.lines()
    emf.output.lines.clear()
    metrics.count("send.backlog", -2)
    metrics.count("history.publishes")

    shown = {name: line[name] for line in emf.lines() for name in line if name.startswith("websocket")}

    assert shown == {"websocket_gateway.send.backlog": [3], "websocket_gateway.history.publishes": 1}


def test_threads_lose_no_value_while_others_write(emf: RecordedEmf) -> None:
    number, workers = 600, 4

    def work() -> None:
        for _ in range(number):
            metrics.takers["event.duration", ("event", "message"), ("code", "ok")](0.001)
            metrics.count("history.publishes")
            metrics.count("send.backlog")

    threads = [threading.Thread(target=work) for _ in range(workers)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            emf.recorder.flush()
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    lines = emf.lines()

    assert dict(counts_of_lines(lines)) == {
        ("event.duration", "code=ok", "event=message"): number * workers,
        ("history.publishes",): number * workers,
    }
    levels = [value for line in lines for value in line.get("websocket_gateway.send.backlog", [])]
    assert levels == list(range(1, number * workers + 1))


def test_a_value_that_comes_while_others_are_taken_stays(emf: RecordedEmf) -> None:
    class Late(list[float]):
        def __getitem__(self, key: Any) -> Any:
            found = super().__getitem__(key)
            if len(found) == 2:
                self.append(0.3)
            return found

    metrics.record("purge.duration", 0.1, result="complete")
    new = emf.recorder._states().new
    (series,) = new
    new[series] = Late([0.1, 0.2])
    emf.recorder.flush()

    assert [line["websocket_gateway.purge.duration"] for line in emf.lines()] == [[0.1, 0.2], [0.3]]


def test_a_record_of_a_handler_or_event_is_written_after_its_request(
    monkeypatch: pytest.MonkeyPatch, client: Any
) -> None:
    output = Kept()
    monkeypatch.setattr(emf_module, "SECONDS", 0.0)
    metrics.switch(EmfRecorder(output))
    try:
        metrics.takers["handler.duration", ("handler", "default")](0.001)
        assert output.lines == []
        client.get("/nothing/")
        assert len(output.lines) == 1
    finally:
        metrics.switch(None)


def test_lines_wait_for_a_full_destination_and_the_oldest_are_dropped_and_counted(emf: RecordedEmf) -> None:
    emf.output.full = True
    for _ in range(MAX_WAITING + 7):
        metrics.count("history.publishes")
        emf.recorder.flush()
    emf.output.full = False

    emf.recorder.flush()
    counts = counts_of_lines(emf.lines())

    dropped = counts[("metrics.dropped",)]
    assert (dropped, counts[("history.publishes",)]) == (7, MAX_WAITING)


def test_what_is_due_is_written_after_a_request(monkeypatch: pytest.MonkeyPatch, client: Any) -> None:
    output = Kept()
    monkeypatch.setattr(emf_module, "SECONDS", 0.0)
    metrics.switch(EmfRecorder(output))
    try:
        metrics.count("history.publishes")
        client.get("/nothing/")
    finally:
        metrics.switch(None)

    assert counts_of_lines(map(json.loads, output.lines))[("history.publishes",)] == 1


PROGRAM = """
import ctypes, os, sys, time
import django
from django.conf import settings
settings.configure(WEBSOCKET_GATEWAY={"METRICS": sys.argv[1]}, INSTALLED_APPS=[
    "django.contrib.contenttypes", "django.contrib.auth", "websocket_gateway"])
django.setup()
from websocket_gateway import metrics
begun = time.monotonic()
for number in range(int(sys.argv[2])):
    metrics.record("event.duration", 0.001, event="message", code="ok")
print(round(time.monotonic() - begun, 3), file=sys.stderr)
metrics.count("history.publishes")
fork = {"in Python": os.fork, "in C": ctypes.PyDLL(None).fork}
pid = fork[sys.argv[3]]() if len(sys.argv) > 3 else None
if pid == 0:
    metrics.record("event.duration", 0.001, event="message", code="ok")
    metrics.count("message.duplicates")
    sys.exit()
if pid:
    os.waitpid(pid, 0)
"""


def program(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A process that records; on stderr, how long that took."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("how", ["in Python", "in C"])
def test_stdout_of_a_process_and_of_its_child(how: str, tmp_path: Path) -> None:
    """uWSGI forks in C."""
    with (tmp_path / "lines").open("w") as file, program("emf", "250", how, stdout=file) as process:
        assert process.wait(60) == 0

    lines = emf_lines((tmp_path / "lines").read_text())
    for line in lines:
        check_line(line)
    assert dict(counts_of_lines(lines)) == {
        ("event.duration", "code=ok", "event=message"): 251,
        ("history.publishes",): 1,
        ("message.duplicates",): 1,
    }


def test_a_pipe_that_nobody_reads_stops_no_process() -> None:
    reader, writer = os.pipe()
    try:
        with program("emf", "400000", stdout=writer) as process:
            assert process.wait(120) == 0
        read = os.read(reader, 65_536)
    finally:
        os.close(reader)
        os.close(writer)
    assert read.startswith(b'{"_aws"')


def test_a_pipe_without_a_reader_stops_no_process() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with program("emf", "1000", stdout=writer) as process:
            assert process.wait(60) == 0
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
    finally:
        os.close(writer)


def test_a_file_that_got_the_number_of_a_closed_stdout_gets_no_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    script = PROGRAM.replace(
        "import ctypes", f"file = open({str(file)!r}, 'w'); assert file.fileno() == 1\nimport ctypes"
    )
    command = f'exec {sys.executable} -c "$0" emf 250 1>&-'
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        ["sh", "-c", command, script],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert file.read_text() == ""


def test_a_full_disk_stops_no_process() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("/dev/full is Linux")
    with open("/dev/full", "w") as full, program("emf", "1000", stdout=full) as process:
        assert process.wait(60) == 0


def test_udp_takes_every_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        output = SocketOutput(f"udp://127.0.0.1:{agent.getsockname()[1]}")
        metrics.switch(EmfRecorder(output))
        metrics.count("history.publishes", 4)
        metrics.switch(None)
        assert select.select([agent], [], [], 10)[0]
        line = json.loads(agent.recv(65_536))
        output._states().close()

    check_line(line)
    assert line["websocket_gateway.history.publishes"] == 4


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_a_stream_gets_whole_lines_although_its_reader_is_slow(family: str, tmp_path: Path) -> None:
    server = socket.socket(socket.AF_UNIX if family == "unix" else socket.AF_INET, socket.SOCK_STREAM)
    path = str(tmp_path / "agent")
    server.bind(path if family == "unix" else ("127.0.0.1", 0))
    server.listen()
    url = f"unix://{path}" if family == "unix" else f"tcp://127.0.0.1:{server.getsockname()[1]}"
    received = bytearray()
    may_read, number = threading.Event(), 2_000

    def read() -> None:
        accepted, _ = server.accept()
        may_read.wait()
        while chunk := accepted.recv(4096):
            received.extend(chunk)
        accepted.close()

    reader = threading.Thread(target=read)
    reader.start()
    recorder, longest = EmfRecorder(SocketOutput(url)), 0.0
    metrics.switch(recorder)
    for _ in range(number):  # the kernel's buffers are full long before
        begun = time.monotonic()
        metrics.count("history.publishes")
        metrics.record("event.duration", 0.001, event="message", code="ok")
        recorder.flush()
        longest = max(longest, time.monotonic() - begun)
    may_read.set()
    state = recorder._states()
    while state.waiting or state.dropped or recorder._output._states().rest:  # type: ignore[attr-defined]
        recorder.flush()
    metrics.switch(None)
    recorder._output._states().close()  # type: ignore[attr-defined]
    reader.join()
    server.close()

    lines = [json.loads(line) for line in received.decode().splitlines()]
    counts = counts_of_lines(lines)
    assert longest < LONGEST
    about_drops = [line for line in lines if "websocket_gateway.metrics.dropped" in line]
    assert len(lines) - len(about_drops) + counts[("metrics.dropped",)] == 2 * number


def test_a_destination_that_is_away_costs_nothing_and_is_tried_again(tmp_path: Path) -> None:
    output = SocketOutput(f"unix://{tmp_path}/nobody")

    assert [output.write(b"{}\n") for _ in range(3)] == [False] * 3
    output._states().retry_at = 0.0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(f"{tmp_path}/nobody")
        server.listen()
        assert output.write(b"{}\n") is True
    output._states().close()
