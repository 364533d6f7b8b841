"""The log formats of the pages keep the token out of access logs: tried with the real servers."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks_of

PAGE = "proxies_and_tunnels.md"
TOKEN = "t0ken-that-nobody-may-see"  # noqa: S105


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(port: int, log: Path, *command: str) -> Iterator[None]:
    """A server that listens on a port, with its output in a file."""
    with log.open("w") as file, subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file) as server:  # noqa: S603
        try:
            for _ in range(300):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            server.terminate()


def connect(port: int) -> int:
    """`$connect` with a token in its address, as API Gateway posts it; the status."""
    url = f"http://127.0.0.1:{port}/ws/connect?channel=lobby&ws_token={TOKEN}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, b"", method="POST"), timeout=30) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def check(log: Path, status: int) -> None:
    """The log has method, path and status, and no token."""
    for _ in range(100):
        if "/ws/connect" in log.read_text():
            break
        time.sleep(0.1)
    text = log.read_text()
    assert re.search(rf'"POST /ws/connect[^?]*" {status}\b', text), text
    assert TOKEN not in text
    assert "ws_token" not in text


def gunicorn(tmp_path: Path, port: int) -> list[str]:
    (block,) = (block for block in blocks_of(PAGE, "python") if "gunicorn.conf.py" in block.text)
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(block.text)
    command = f"-m gunicorn tests.support.logged:wsgi --config {config} --bind 127.0.0.1:{port}"
    return [sys.executable, *command.split()]


def test_gunicorn(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed: pip install gunicorn")
    port, log = free_port(), tmp_path / "gunicorn.log"

    with serving(port, log, *gunicorn(tmp_path, port)):
        status = connect(port)
        check(log, status)

    assert status == 400


def test_uvicorn(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    port, log, config = free_port(), tmp_path / "uvicorn.log", tmp_path / "uvicorn_log.json"
    config.write_text(blocks_of(PAGE, "json")[0].text)
    command = f"-m uvicorn tests.support.logged:asgi --log-config {config} --port {port} --lifespan off"

    with serving(port, log, sys.executable, *command.split()):
        status = connect(port)
        check(log, status)

    assert status == 400


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_nginx(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed: pip install gunicorn")
    port, behind = free_port(), free_port()
    (block,) = blocks_of(PAGE, "nginx")
    text = block.text.replace("/var/log/nginx", str(tmp_path)).replace("listen 443 ssl", f"listen {port}")
    text = text.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{behind}")
    text = re.sub(r"ssl_certificate(_key)?\s+[^;]+;", "", text)
    config = tmp_path / "nginx.conf"
    head = f"pid {tmp_path}/nginx.pid; daemon off; error_log {tmp_path}/error.log; events {{}}"
    config.write_text(f"{head}\nhttp {{\n{text}\n}}")
    command = ["nginx", "-p", str(tmp_path), "-c", str(config)]

    with (
        serving(behind, tmp_path / "gunicorn.log", *gunicorn(tmp_path, behind)),
        serving(port, tmp_path / "nginx.log", *command),
    ):
        status = connect(port)
        check(tmp_path / "access.log", status)

    assert status == 400
