"""Four workers of gunicorn under a scripted load: their figures together are exactly what it did."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.metrics.emf_schema import check_line
from tests.metrics.figures import counts_of_exports, counts_of_lines, emf_lines
from tests.metrics.load import WORKERS, Load
from tests.sink import Sink, sink_fixture
from tests.support.served import free_port, gunicorn
from websocket_gateway.models import ApiGateway

__all__ = ["sink_fixture"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs Unix"),
]


@pytest.fixture(name="there")
def there_fixture(sink: Sink) -> ApiGateway:
    return sink.gateway()


def run_load(there: ApiGateway, sink: Sink, log: Path, metrics: str, exported: str = "") -> Load:
    """Run the load against workers that record with `metrics`, and end them."""
    port = free_port()
    names = {
        "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"]),
        "MEASURED_SITE_METRICS": metrics,
        "MEASURED_SITE_EXPORTED": exported,
    }
    load = Load(port, there, sink)
    with gunicorn(port, log, workers=WORKERS, settings="tests.metrics.site", **names):
        load.run()
    assert len(load.workers) == WORKERS
    return load


def test_lines_of_emf_over_all_workers(there: ApiGateway, sink: Sink, tmp_path: Path) -> None:
    load = run_load(there, sink, tmp_path / "log", "emf")

    lines = emf_lines((tmp_path / "log").read_text())
    for line in lines:
        check_line(line)
    assert dict(counts_of_lines(lines)) == dict(load.expected)
    backlogs = [
        line["websocket_gateway.send.backlog"] for line in lines if "send.backlog" in json.dumps(line)
    ]
    assert backlogs
    assert min(min(values) for values in backlogs) >= 0


def test_exports_of_opentelemetry_over_all_workers(there: ApiGateway, sink: Sink, tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    exported.mkdir()

    load = run_load(there, sink, tmp_path / "log", "otel", str(exported))

    exports = [json.loads(file.read_text()) for file in exported.glob("*.json")]
    assert len(exports) >= WORKERS
    assert dict(counts_of_exports(exports)) == dict(load.expected)


def test_nothing_is_written_while_metrics_are_off(there: ApiGateway, sink: Sink, tmp_path: Path) -> None:
    run_load(there, sink, tmp_path / "log", "")

    assert emf_lines((tmp_path / "log").read_text()) == []
