"""`ws_metrics`: its formats, read by real parsers; the file that is replaced in one step; its exit codes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.commands.test_reports import valid
from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from tests.metrics.figures import counts_of_lines, emf_lines
from tests.support.commands import run
from tests.support.forking import ROOT, environment
from websocket_gateway.diagnostics.figures import Figure
from websocket_gateway.last_runs import PURGE, check_of, note_run
from websocket_gateway.management.figures import as_prometheus, replace_file
from websocket_gateway.metrics.catalogue import DATABASE, METRICS, PREFIX
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(name="chat")
def chat_fixture() -> ApiGateway:
    gateway: ApiGateway = ApiGatewayFactory.create(api_name="chat", stage_name="live")
    for _ in range(3):
        WebSocketSessionFactory.create(api_gateway=gateway)
    note_run(check_of(gateway), found=1)
    note_run(PURGE)
    return gateway


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples as the parser of Prometheus's own client reads them."""
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_text_is_for_people(chat: ApiGateway) -> None:
    lines = [line.split() for line in run("ws_metrics").stdout.splitlines()]

    assert ["connections.open", "3", "gateway=chat", "stage=live"] in lines
    assert ["gateway.sync.age", "never", "gateway=chat"] in lines


def test_the_json_is_as_its_schema_says(chat: ApiGateway) -> None:
    report = valid("ws_metrics", run("ws_metrics", "--format", "json"))

    found = {item["name"]: item for item in report["metrics"]}
    assert set(found) == {metric.name for metric in DATABASE}
    assert found[f"{PREFIX}.connections.open"]["value"] == 3
    assert found[f"{PREFIX}.gateway.sync.age"]["value"] is None


def test_prometheus_reads_every_sample(chat: ApiGateway) -> None:
    text = run("ws_metrics", "--format", "prometheus").stdout

    families = {family.name: family for family in text_string_to_metric_families(text)}
    found = samples(text)
    assert set(families) == {metric.prometheus_name for metric in DATABASE}
    assert {family.type for family in families.values()} == {"gauge"}
    assert all(families[metric.prometheus_name].documentation == metric.help for metric in DATABASE)
    assert found["websocket_gateway_connections_open", (("gateway", "chat"), ("stage", "live"))] == 3
    assert found["websocket_gateway_gateway_drift", (("gateway", "chat"),)] == 1
    assert "websocket_gateway_gateway_sync_age_seconds" not in {name for name, _ in found}


@pytest.mark.parametrize("name", ['a"b', "a\\nb", "a\nb", "é‮", "a b{}", "\\"])
def test_prometheus_reads_strange_names_as_they_are(name: str) -> None:
    figure = Figure(METRICS[f"{PREFIX}.gateway.drift"], 1, {"gateway": name})

    assert samples(as_prometheus([figure])) == {("websocket_gateway_gateway_drift", (("gateway", name),)): 1}


def test_a_file_is_replaced_and_readable_for_the_collector(chat: ApiGateway, tmp_path: Path) -> None:
    file = tmp_path / "ws.prom"
    for _ in range(2):
        ended = run("ws_metrics", "--format", "prometheus", "--output", str(file))
        assert (ended.status, ended.stdout) == (0, "")

    assert samples(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["ws.prom"]


def test_no_reader_sees_a_part_of_the_file(tmp_path: Path) -> None:
    file, ended, seen = tmp_path / "ws.prom", threading.Event(), set()
    replace_file(str(file), "0" * 100_000)

    def read() -> None:
        while not ended.is_set():
            text = file.read_text()
            seen.add((len(text), len(set(text))))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(30):
        replace_file(str(file), str(number % 10) * 100_000)
    ended.set()
    reader.join()

    assert seen == {(100_000, 1)}


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "nowhere" / "ws.prom", tmp_path / "folder"):
        ended = run("ws_metrics", "--output", str(target))
        assert ended.status == 1
        assert str(target) in ended.stderr
    assert os.listdir(tmp_path) == ["folder"]


def test_what_is_not_a_regular_file_is_written_to_and_stays(chat: ApiGateway, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()), daemon=True)
    reader.start()

    ended = run("ws_metrics", "--format", "prometheus", "--output", str(pipe))

    reader.join(timeout=30)
    assert (ended.status, stat.S_ISFIFO(pipe.stat().st_mode)) == (0, True)
    assert samples(found[0])
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_symbolic_link_stays_and_its_target_is_replaced(chat: ApiGateway, tmp_path: Path) -> None:
    (tmp_path / "collector").mkdir()
    link, target = tmp_path / "link", tmp_path / "collector" / "ws.prom"
    for _ in range(2):  # first to a file that does not exist
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert run("ws_metrics", "--format", "prometheus", "--output", str(link)).status == 0

    assert link.is_symlink()
    assert samples(target.read_text())


def test_another_database_is_read(chat: ApiGateway, settings: Any) -> None:
    assert run("ws_metrics", "--database", "default").status == 0

    ended = run("ws_metrics", "--database", "replica")
    assert (ended.status, "'replica'" in ended.stderr, "default" in ended.stderr) == (2, True, True)


def test_the_report_of_a_command_is_alone_on_stdout_while_lines_of_emf_go_to_stderr() -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "tests.metrics.site", "MEASURED_SITE_METRICS": "emf"}
    command = [sys.executable, "-m", "django", "purge_connections", "--format", "json"]

    ended = subprocess.run(
        command, cwd=ROOT, env=environment() | variables, capture_output=True, text=True, timeout=120
    )

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["command"] == "purge_connections"
    counts = counts_of_lines(emf_lines(ended.stderr))
    assert counts["purge.duration", "result=complete"] == 1
