"""The page on monitoring and the dashboards name metrics of the catalogue and of AWS, and no others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, blocks_of, names, section, table_rows
from websocket_gateway.metrics.catalogue import DATABASE, METRICS, PREFIX, PROCESS, Kind, Metric, allowed
from websocket_gateway.metrics.emf import NAMESPACE

FOLDER = PAGES / "dashboards"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html
OF_AWS = {
    *("ConnectCount", "MessageCount", "IntegrationError", "ClientError", "ExecutionError"),
    "IntegrationLatency",
}
ALERTS = yaml.safe_load((FOLDER / "prometheus_alerts.yml").read_text())["groups"][0]["rules"]
GRAFANA = json.loads((FOLDER / "grafana.json").read_text())
DASHBOARD = json.loads((FOLDER / "cloudwatch.json").read_text())
ALARMS = json.loads((FOLDER / "cloudwatch_alarms.json").read_text())["Resources"]
EXPRESSIONS = [
    *(target["expr"] for panel in GRAFANA["panels"] for target in panel["targets"]),
    *(rule["expr"] for rule in ALERTS),
]
SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_count", "_sum")}
BY_NAME: dict[str, Metric] = {
    metric.prometheus_name + suffix: metric
    for metric in METRICS.values()
    for suffix in SUFFIXES.get(metric.kind, ("",))
}


def row_of(metric: Metric) -> list[str]:
    labels = ", ".join(f"`{label.name}`" for label in metric.labels.values())
    short = metric.name.removeprefix(f"{PREFIX}.")
    return [f"`{short}`", metric.kind.value, f"`{metric.unit}`", labels, metric.help]


@pytest.mark.parametrize(
    ("heading", "metrics"),
    [("### What each process counts", PROCESS), ("### What the database knows", DATABASE)],
)
def test_the_tables_of_the_page_are_the_catalogue(heading: str, metrics: tuple[Metric, ...]) -> None:
    assert list(table_rows(section("monitoring.md", heading))) == [row_of(metric) for metric in metrics]


def labels_in(expression: str) -> Iterator[tuple[str, str, str | None]]:
    """Each metric of an expression, and the labels that are selected with their values, or grouped by."""
    for name, selected in re.findall(rf"\b({PREFIX}_\w+)(?:\{{(.*?)\}})?", expression):
        for label, value in re.findall(r'(\w+)[=!~]+"(.*?)"', selected):
            for one in value.split("|") if value else [None]:
                yield name, label, one
        for label in re.findall(r"\w+", "".join(re.findall(r"by \((.*?)\)", expression))):
            yield name, label, None


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_grafana_and_prometheus_ask_for_metrics_labels_and_values_that_exist(expression: str) -> None:
    found = re.findall(rf"\b{PREFIX}_\w+", expression)

    assert found
    assert [name for name in found if name not in BY_NAME] == []
    for name, argument, value in labels_in(expression):
        if argument == "le":
            assert BY_NAME[name].kind is Kind.HISTOGRAM
            continue
        label = BY_NAME[name].labels[argument]
        # `code` is declared by the security log.
        import websocket_gateway.security_log  # noqa: F401

        assert allowed(label, value) == value


def test_every_metric_is_on_the_dashboard_of_grafana() -> None:
    shown = {BY_NAME[name] for text in EXPRESSIONS for name in re.findall(rf"\b{PREFIX}_\w+", text)}

    assert {metric.name for metric in METRICS.values()} - {metric.name for metric in shown} == set()
    assert len({panel["id"] for panel in GRAFANA["panels"]}) == len(GRAFANA["panels"])


def check_cloudwatch(namespace: str, name: str, dimensions: set[str]) -> None:
    """Fail unless a metric exists with exactly these dimensions."""
    if namespace == "AWS/ApiGateway":
        assert name in OF_AWS
        assert dimensions == {"ApiId", "Stage"}
        return
    assert namespace == NAMESPACE
    metric = METRICS[name]
    assert metric in PROCESS, f"{name} is no metric of a process, so no line of EMF has it"
    written = [{label.name for label in metric.labels.values()}, set()]
    if any(label.name == "error.type" for label in metric.labels.values()):  # absent for success
        written.append(written[0] - {"error.type"})
    if "code" in written[0]:
        written.append(written[0] - {"code"})
    assert dimensions in written


def test_the_dashboard_of_cloudwatch_has_metrics_that_are_written() -> None:
    seen = set()
    for widget in DASHBOARD["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):
                for inside, name in re.findall(r"\{(.*?)\} MetricName=\"(.*?)\"", metric[0]["expression"]):
                    namespace, *dimensions = (part.strip('"') for part in inside.split(","))
                    check_cloudwatch(namespace, name, set(dimensions))
                    seen.add(name)
                continue
            namespace, name, *rest = (part for part in metric if isinstance(part, str))
            check_cloudwatch(namespace, name, set(rest[::2]))
            seen.add(name)

    assert seen == {metric.name for metric in PROCESS} | OF_AWS


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_of_cloudwatch_watches_metrics_that_are_written(name: str) -> None:
    properties: dict[str, Any] = ALARMS[name]["Properties"]
    stats = [item["MetricStat"]["Metric"] for item in properties.get("Metrics", []) if "MetricStat" in item]
    watched = stats or [properties]

    assert ALARMS[name]["Type"] == "AWS::CloudWatch::Alarm"
    for metric in watched:
        dimensions = {item["Name"]: item["Value"] for item in metric["Dimensions"]}
        check_cloudwatch(metric["Namespace"], metric["MetricName"], set(dimensions))
        if metric["Namespace"] == NAMESPACE:
            for argument, value in dimensions.items():
                assert value in METRICS[metric["MetricName"]].labels[argument].values
    expressions = " ".join(item.get("Expression", "") for item in properties.get("Metrics", []))
    ids = {item["Id"] for item in properties.get("Metrics", []) if "MetricStat" in item}
    assert ids <= set(re.findall(r"[a-z]+", expressions))


def test_the_page_says_what_to_do_at_every_alarm() -> None:
    rows = table_rows(section("monitoring.md", "## What to alarm on, and what to do then"))
    told = {name: row for row in rows for name in names(row[0])}

    assert set(told) == {rule["alert"] for rule in ALERTS} | set(ALARMS)
    assert all(row[1] and row[2] for row in told.values())


def test_the_alerts_and_the_dashboard_have_what_their_programs_ask_for() -> None:
    assert all(rule.keys() == {"alert", "expr", "for", "annotations"} for rule in ALERTS)
    assert GRAFANA["title"]
    assert all(panel["targets"] for panel in GRAFANA["panels"])
    assert {widget["type"] for widget in DASHBOARD["widgets"]} == {"metric"}


def test_the_line_of_the_page_fills_in_the_dashboard(tmp_path: Path) -> None:
    (line,) = (block.text for block in blocks_of("monitoring.md", "text") if block.text.startswith("sed"))
    shutil.copy(FOLDER / "cloudwatch.json", tmp_path)

    subprocess.run(line, shell=True, cwd=tmp_path, check=True, timeout=60)

    filled = (tmp_path / "dashboard.json").read_text()
    assert len(json.loads(filled)["widgets"]) == len(DASHBOARD["widgets"])
    assert re.search(r"API_ID|STAGE|REGION", filled) is None


RECORD = """
from websocket_gateway import metrics as ours
from websocket_gateway.metrics.otel import OtelRecorder
ours.switch(OtelRecorder())
ours.count("send.posts", 5, outcome="gone")
"""


def test_the_exporter_of_the_page_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    code = next(block.text for block in blocks_of("monitoring.md", "python") if "OTLP" in block.text)
    received: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1/metrics"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none")
        try:
            subprocess.run([sys.executable, "-c", code + RECORD], cwd=ROOT, check=True, timeout=120)
        finally:
            server.shutdown()
            thread.join()

    sent = b"".join(received)
    for text in (b"websocket_gateway.send.posts", b"outcome", b"gone", b"service.instance.id"):
        assert text in sent


def test_the_names_of_the_real_prometheus_exporter_are_those_of_the_catalogue() -> None:
    exporter = pytest.importorskip("opentelemetry.exporter.prometheus")
    program = f"""
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import generate_latest
metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
{RECORD}
from websocket_gateway.metrics.catalogue import PROCESS, Kind
for metric in PROCESS:
    name = metric.name.partition(".")[2]
    (ours.record if metric.kind is Kind.HISTOGRAM else ours.count)(name, 1)
ours.record("handler.duration", 1, handler="default", error_type="exception")
print(generate_latest().decode())
"""
    assert exporter
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, timeout=120, capture_output=True, text=True
    )

    found = set(re.findall(rf"^({PREFIX}_\w+)", ended.stdout, re.MULTILINE))
    assert {name for name, metric in BY_NAME.items() if metric in PROCESS} <= found
    assert 'error_type="exception"' in ended.stdout
