"""The sample project beyond this machine: started as one would behind a tunnel."""

from __future__ import annotations

import http.client
import json
import re
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from tests.end_to_end.sample import MANAGE, environment, manage

HOST = "sample.example.com"
PUBLISHED = {"ada": "engine-1843", "grace": "cobol-1959"}
EXPOSED = {"SAMPLE_PUBLIC_HOST": HOST}


class Answer(NamedTuple):
    """What was answered."""

    status: int
    text: str
    cookies: dict[str, str]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def ask(port: int, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
    """Ask as a tunnel does: from this machine, for somebody else."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        body = urlencode(fields) if fields is not None else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        sent = {"Host": HOST, **kind, **{name.replace("_", "-"): text for name, text in headers.items()}}
        connection.request("POST" if body else "GET", path, body, sent)
        answer = connection.getresponse()
        lines = answer.headers.get_all("Set-Cookie") or []
        cookies = dict(line.partition(";")[0].split("=", 1) for line in lines)
        return Answer(answer.status, answer.read().decode(), cookies)


def log_in(port: int, username: str, password: str) -> int:
    page = ask(port, "/login/")
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found is not None, page
    fields = {"csrfmiddlewaretoken": found[1], "username": username, "password": password}
    cookie = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    return ask(port, "/login/", fields, Cookie=cookie, Origin=f"https://{HOST}").status


@contextmanager
def served(database: Path, *words: str, **more: str) -> Iterator[int]:
    """The sample behind `runserver`; its port."""
    port = free_port()
    argv = [sys.executable, str(MANAGE), "runserver", "--noreload", *words, f"127.0.0.1:{port}"]
    with subprocess.Popen(
        argv, env=environment(database, **more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            deadline = time.monotonic() + 30
            while True:
                assert server.poll() is None, "it ended"
                assert time.monotonic() < deadline
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            server.terminate()


def migrate(database: Path, **more: str) -> None:
    done = manage("migrate", "--verbosity", "0", database=database, **more)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "sample.sqlite3"


def test_a_stranger_finds_no_published_password_no_admin_and_no_superuser(database: Path) -> None:
    migrate(database, **EXPOSED)
    file = database.with_name("sample.sqlite3.secrets.json")
    generated = json.loads(file.read_text())

    with served(database, **EXPOSED) as port:
        page = ask(port, "/login/")
        assert page.status == 200
        assert "password" in page.text
        assert not [text for text in (*PUBLISHED.values(), *generated.values()) if text in page.text]
        assert [log_in(port, name, password) for name, password in PUBLISHED.items()] == [200, 200]
        assert [log_in(port, name, generated[name]) for name in PUBLISHED] == [302, 302]
        assert ask(port, "/admin/").status == 404
        assert "Traceback" not in ask(port, "/nothing/").text
        assert ask(port, "/static/chat/style.css").status == 200

    with closing(sqlite3.connect(database)) as connection:
        users = connection.execute("SELECT username, is_staff, is_superuser FROM auth_user").fetchall()
    assert sorted(users) == [("ada", 0, 0), ("grace", 0, 0)]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(generated["SECRET_KEY"]) > 50


def test_key_and_passwords_are_generated_once_for_each_database(tmp_path: Path) -> None:
    show = "from django.conf import settings as s; print(s.SECRET_KEY, s.DEBUG, s.WEBSOCKET_GATEWAY)"
    first, second = tmp_path / "1.sqlite3", tmp_path / "2.sqlite3"

    shown = [
        manage("shell", "--no-imports", "-c", show, database=database, **EXPOSED).stdout
        for database in (first, first, second)
    ]

    assert shown[0] == shown[1] != shown[2]
    assert "machine-only" not in shown[0]
    assert " False {" in shown[0]
    assert "'ADMIN_PROVISIONING': False" in shown[0]


def test_it_does_not_start_with_the_database_of_this_machine(database: Path) -> None:
    migrate(database)

    started = manage("runserver", "--noreload", "127.0.0.1:0", database=database, **EXPOSED)
    imported = subprocess.run(
        [sys.executable, "-c", "import project.wsgi"],
        env=environment(database, **EXPOSED),
        cwd=MANAGE.parent,
        capture_output=True,
        text=True,
    )

    assert started.returncode == 1
    assert "has superusers or published passwords (ada, grace)" in started.stderr
    assert "is not exposed" in imported.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_the_published_passwords_are_served_to_this_machine_only(database: Path, address: str) -> None:
    started = manage("runserver", "--noreload", address, database=database)

    assert started.returncode == 1
    assert "set SAMPLE_PUBLIC_HOST" in started.stderr


def test_a_tunnel_without_the_variable_reaches_nothing(database: Path) -> None:
    migrate(database)

    with served(database) as port:
        own = ask(port, "/login/", Host="127.0.0.1")
        strangers = ask(port, "/login/", Host="127.0.0.1", X_Forwarded_For="198.51.100.7")
        spoofed = ask(port, "/login/", Host="127.0.0.1", X_Forwarded_For="127.0.0.1, 198.51.100.7")

    assert own.status == 200
    assert PUBLISHED["ada"] in own.text
    assert [strangers.status, spoofed.status] == [403, 403]


def test_the_demo_is_for_this_machine(database: Path) -> None:
    done = manage("demo", "--once", database=database, **EXPOSED)

    assert done.returncode == 1
    assert "unset SAMPLE_PUBLIC_HOST" in done.stderr
