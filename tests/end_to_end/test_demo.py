"""`manage.py demo` of the sample project, as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.end_to_end.sample import ANY_PORTS, manage, migrate, start_demo, wait_for_chat

GREETING = re.compile(
    r'(?P<who>ada|grace) +received  {"type":"notification","text":"Hello from the broadcast command",'
    r'"_ws":{"channel":"lobby","epoch":"[\w-]+","offset":(?P<offset>\d+)}}'
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "sample.sqlite3"
    migrate(file)
    return file


def is_served(address: str) -> bool:
    host, _, port = address.removeprefix("http://").partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


def test_once_both_clients_receive_everything_and_again_on_another_port(database: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for gateway_port in ("0", port):
            words = ("demo", "--once", "--port", "0", "--gateway-port", gateway_port)
            done = manage(*words, database=database)

            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stderr == ""
            assert (f"Port {port} is taken;" in done.stdout) == (gateway_port == port)
            check_round(done.stdout)


def check_round(output: str) -> None:
    lines = output.splitlines()
    assert "Sent to channel 'lobby': 2 of 2 delivered" in output
    greeted = [found for line in lines if (found := GREETING.fullmatch(line))]
    assert [found["who"] for found in greeted] == ["ada", "grace"]
    assert len({found["offset"] for found in greeted}) == 1
    assert sum("Hello, are you there?" in line and " received " in line for line in lines) == 2
    cut = lines.index("grace  lost the connection")
    heard = [line for line in lines if re.match(r"grace  (received|recovered) +Message", line)]
    assert [line.split()[1] for line in heard] == ["received"] * 3 + ["recovered"] * 3
    assert [line.split(" Message ")[1] for line in heard] == [f"{n} of 6" for n in range(1, 7)]
    assert all((lines.index(line) > cut) == ("recovered" in line) for line in heard)
    assert "Nothing was missed: 6 messages, each once and in order." in lines
    assert lines[-1] == "Done: everything that was sent was received."


def test_without_tables_it_says_what_to_run(tmp_path: Path) -> None:
    done = manage("demo", "--once", *ANY_PORTS, database=tmp_path / "empty.sqlite3")

    assert done.returncode == 1
    assert "manage.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_it_serves_the_chat_until_it_is_told_to_end_and_leaves_no_process(
    database: Path, number: signal.Signals
) -> None:
    with start_demo(database) as demo:
        address, printed = wait_for_chat(demo)
        with urllib.request.urlopen(f"{address}/login/", timeout=10) as page:
            html = page.read().decode()
        demo.send_signal(number)
        output, _ = demo.communicate(timeout=30)

    assert demo.returncode == 0
    assert output.rstrip().endswith("Ended.")
    assert "engine-1843" in html
    assert not is_served(address)
    # Where the gateway listened stands in the command that the demo offers.
    (gateway,) = set(re.findall(r"SAMPLE_GATEWAY_URL=(http://\S+)", printed))
    assert not is_served(gateway)


def test_the_printed_commands_work_in_a_fresh_shell(database: Path) -> None:
    with start_demo(database) as demo:
        _, printed = wait_for_chat(demo)
        typed = [line.removeprefix("$ ") for line in printed.splitlines() if line.startswith("$ ")]
        done = subprocess.run(
            ["/bin/sh"],
            cwd="/",
            env={"PATH": os.defpath},
            input="\n".join(typed[-2:]),
            capture_output=True,
            text=True,
            timeout=60,
        )
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=30)

    assert typed[-2].startswith("cd ")
    assert done.returncode == 0, done.stdout + done.stderr
    # The clients of the demo have left; the channel keeps the message for whoever comes.
    assert "(channel 'lobby'): saved at offset" in done.stdout
    assert "management_docs/tutorial.md" in printed


def test_a_child_that_dies_ends_the_demo_with_its_last_words(database: Path) -> None:
    with start_demo(database) as demo:
        address, _ = wait_for_chat(demo)
        kill_server(address)
        output, _ = demo.communicate(timeout=30)

    assert demo.returncode == 1
    assert "CommandError: runserver ended with status -9" in output


def kill_server(address: str) -> None:
    """SIGKILL the one process that was started to serve this address."""
    host_port = address.removeprefix("http://")
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"runserver" in words and host_port.encode() in words:
                os.kill(int(entry.name), signal.SIGKILL)
                until = time.monotonic() + 5
                while is_served(address) and time.monotonic() < until:
                    time.sleep(0.05)
                return
    pytest.fail("the server's process was not found")
