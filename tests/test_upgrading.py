"""The upgrade from an earlier state of the package, with a million sessions, while others write.

Selected by `WEBSOCKET_GATEWAY_TEST_UPGRADE=1`; `WEBSOCKET_GATEWAY_TEST_UPGRADE_ROWS` is the number of
sessions. It builds the wheel of a commit, so it needs the repository.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.support.building import ROOT, build_from

EARLIER = {"before the packages by subject": "0f8ccb61", "before channels": "09f388a"}
# The first has two columns with a CHECK to come, for which SQLite reads every row.
LONGEST_WAIT_SECONDS = {"0f8ccb61": 5.0, "09f388a": 1.0}
ROWS = int(os.environ.get("WEBSOCKET_GATEWAY_TEST_UPGRADE_ROWS", "1000000"))

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("WEBSOCKET_GATEWAY_TEST_UPGRADE") != "1", reason="WEBSOCKET_GATEWAY_TEST_UPGRADE=1"
    ),
    pytest.mark.django_db(transaction=True),
]

FILL = """
import django; django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
from django.utils import timezone
from websocket_gateway.models import ApiGateway, WebSocketSession
gateway = ApiGateway.objects.create(
    api_name="a", api_id="a", region_name="eu-west-1",
    target_base_endpoint="https://www.example.com/ws/")
WebSocketSession.objects.bulk_create(
    WebSocketSession(connection_id=f"c{n}", api_gateway=gateway, channel_name="orders_eu")
    for n in range(1000))
table = WebSocketSession._meta.db_table
quote = connection.ops.quote_name
columns = [field.column for field in WebSocketSession._meta.concrete_fields if not field.primary_key]
number = 1000
with connection.cursor() as cursor:
    while number < ROWS:
        copied = [
            f"CONCAT({quote(column)}, '-{number}')" if column == "connection_id" else quote(column)
            for column in columns
        ]
        if connection.vendor == "sqlite":
            copied = [text.replace("CONCAT(", "(").replace(", '-", " || '-") for text in copied]
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(map(quote, columns))}) SELECT {', '.join(copied)} FROM {table}"
            f" ORDER BY id LIMIT {min(number, ROWS - number)}")
        number *= 2
print(WebSocketSession.objects.count())
"""
WRITE = """
import django; django.setup()
import json, select, sys, time
from websocket_gateway.models import ApiGateway, WebSocketSession
gateway, took = ApiGateway.objects.get(), []
print("ready", flush=True)
until = None
while until is None or time.time() < until:
    begun = time.perf_counter()
    row = WebSocketSession.objects.create(connection_id=f"new{len(took)}", api_gateway=gateway)
    WebSocketSession.objects.filter(pk=row.pk).update(connected=False)
    took.append(time.perf_counter() - begun)
    time.sleep(0.002)
    if until is None and select.select([sys.stdin], [], [], 0)[0]:
        until = time.time() + 0.5
print(json.dumps({"number": len(took), "longest": max(took)}))
"""


@pytest.fixture(params=list(EARLIER.values()), ids=list(EARLIER))
def old_package(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The wheel of an earlier commit, unpacked into a folder."""
    source = tmp_path / "source"
    source.mkdir()
    archive = subprocess.run(["git", "archive", request.param], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "x", "-C", str(source)], input=archive.stdout, check=True)
    wheel = build_from(source, "wheel", tmp_path)
    target = tmp_path / "old"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(target)], check=True)
    return target


@pytest.fixture
def database(tmp_path: Path, transactional_db: None) -> Iterator[dict[str, str]]:
    """An empty database, as the environment of a process."""
    name = str(tmp_path / "upgrade.sqlite3")
    if connection.vendor != "sqlite":
        name = "websocket_gateway_upgrade"
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name}")
    yield {"WEBSOCKET_GATEWAY_TEST_NAME": name, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    if connection.vendor != "sqlite":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")


def python(code: str, package: Path, database: dict[str, str]) -> subprocess.Popen[str]:
    """Run code with a package on a database; `tests` comes from this tree."""
    script = f"import sys; sys.path[:0] = [{str(package)!r}, {str(ROOT)!r}]\nROWS = {ROWS}\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **database},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=package,
    )


def test_the_migration_does_not_keep_writers_waiting(
    old_package: Path,
    database: dict[str, str],
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    filling = python(FILL, old_package, database)
    assert int(filling.communicate()[0]) == ROWS

    writing = python(WRITE, old_package, database)
    assert writing.stdout is not None
    assert writing.stdout.readline() == "ready\n"
    begun = time.monotonic()
    migrating = python(
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from websocket_gateway.models import Channel, WebSocketSession\n"
        "print(Channel.objects.count())",
        ROOT,
        database,
    )
    assert migrating.communicate()[0].strip() == "0"
    seconds = time.monotonic() - begun
    told: dict[str, Any] = json.loads(writing.communicate("end\n")[0])

    with capfd.disabled():
        sys.stdout.write(
            f"\n{connection.vendor}: {ROWS:,} sessions, upgraded in {seconds:.1f} s; "
            f"{told['number']} writes meanwhile, the longest {told['longest'] * 1e3:.0f} ms\n"
        )
    assert told["longest"] < LONGEST_WAIT_SECONDS[request.node.callspec.params["old_package"]]
