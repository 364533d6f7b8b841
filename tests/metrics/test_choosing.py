"""The setting `METRICS`: its values, its mistakes, an extra that is missing, recorders that fail."""

from __future__ import annotations

import logging
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from django.test import override_settings

from tests.support.forking import ROOT
from websocket_gateway import metrics
from websocket_gateway.checks import check_project
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.metrics import choosing
from websocket_gateway.metrics.emf import EmfRecorder
from websocket_gateway.metrics.otel import OtelRecorder
from websocket_gateway.metrics.sockets import SocketOutput
from websocket_gateway.metrics.stdout import StdoutOutput

GOOD = [
    *("otel", "emf", "emf+udp://127.0.0.1:25888", "emf+tcp://[::1]:25888", "emf+unix:///run/agent.sock"),
    "tests.metrics.test_choosing.Broken",
]
BAD: list[object] = [
    *("statsd", "emf+udp://127.0.0.1", "emf+http://127.0.0.1:1", "emf+unix://run/agent", "emf+tcp://[::1", 7),
    *("emf+udp://127.0.0.1:99999", True, "a..b", "emf+udp://agent:25888"),
]


class Broken:
    """A recorder that always fails."""

    def add(self, *args: Any) -> None:
        raise OSError("no network")

    record = flush = add

    def span(self, *args: Any) -> AbstractContextManager[Any]:
        raise ValueError("no span")


class Collecting:
    """The smallest recorder that a project could write."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, dict[str, str]]] = []

    def add(self, metric: Any, number: float, labels: dict[str, str]) -> None:
        self.seen.append((metric.name, number, labels))

    record = add

    def span(self, *args: Any) -> AbstractContextManager[Any]:
        return nullcontext()

    def flush(self) -> None:
        """Nothing waits."""


class Incomplete:
    """Not a recorder."""


@pytest.mark.parametrize("value", GOOD)
def test_a_good_value_is_kept(value: str) -> None:
    with override_settings(WEBSOCKET_GATEWAY={"METRICS": value}):
        assert get_settings().metrics == value


@pytest.mark.parametrize("value", BAD)
def test_a_bad_value_is_named_with_what_it_may_be(value: object) -> None:
    with override_settings(WEBSOCKET_GATEWAY={"METRICS": value}):
        with pytest.raises(ConfigurationError, match=r"\['METRICS'\]") as caught:
            get_settings()
        assert [message.id for message in check_project()] == ["websocket_gateway.E001"]
    assert "emf" in str(caught.value) or "IP address" in str(caught.value)


@pytest.mark.parametrize("value", [None, ""])
def test_off_is_the_default(value: object) -> None:
    with override_settings(WEBSOCKET_GATEWAY={"METRICS": value}):
        assert get_settings().metrics is None
        assert metrics.recorder is None


def test_the_recorder_follows_the_settings() -> None:
    found: list[object] = []
    for value in ("emf", "emf+udp://127.0.0.1:25888", "otel", "tests.metrics.test_choosing.Collecting", None):
        with override_settings(WEBSOCKET_GATEWAY={"METRICS": value}):
            found.append(metrics.recorder)
    outputs = [type(recorder._output) for recorder in found if isinstance(recorder, EmfRecorder)]

    assert list(map(type, found)) == [EmfRecorder, EmfRecorder, OtelRecorder, Collecting, type(None)]
    assert outputs == [StdoutOutput, SocketOutput]
    assert metrics.recorder is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("tests.metrics.nowhere.Recorder", "No module named"),
        ("tests.metrics.test_choosing.Nothing", "does not define"),
        ("tests.metrics.test_choosing.Incomplete", "has no method 'add'"),
    ],
)
def test_a_recorder_that_cannot_be_made_is_a_finding_and_metrics_are_off(
    value: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.ERROR, "websocket_gateway.metrics"),
        override_settings(WEBSOCKET_GATEWAY={"METRICS": value}),
    ):
        findings = [message for message in check_project() if message.id == "websocket_gateway.E012"]
        assert metrics.recorder is None

    assert len(findings) == 1
    assert said in findings[0].msg
    assert "Metrics are off" in caplog.text


def test_the_error_names_the_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "has_otel", lambda: False)
    with override_settings(WEBSOCKET_GATEWAY={"METRICS": "otel"}):
        (finding,) = [message for message in check_project() if message.id == "websocket_gateway.E012"]

    assert "pip install 'django-websocket-gateway[otel]'" in finding.msg


def test_a_recorder_that_fails_fails_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    metrics._complained.clear()
    with override_settings(WEBSOCKET_GATEWAY={"METRICS": "tests.metrics.test_choosing.Broken"}):
        for _ in range(3):
            with metrics.timed("handler", handler="default"):
                metrics.count("message.duplicates")

    complaints = [record for record in caplog.records if record.name == "websocket_gateway.metrics"]
    assert {record.exc_info[0] for record in complaints if record.exc_info} == {OSError, ValueError}
    assert len(complaints) == 2


@pytest.mark.parametrize("value", ["None", "'emf'"])
def test_opentelemetry_is_not_imported_unless_it_is_chosen(value: str) -> None:
    program = f"""
import sys, django
from django.conf import settings
settings.configure(WEBSOCKET_GATEWAY={{"METRICS": {value}}}, INSTALLED_APPS=[
    "django.contrib.contenttypes", "django.contrib.auth", "websocket_gateway"])
django.setup()
import websocket_gateway.views, websocket_gateway.sending, websocket_gateway.purging
print([name for name in sys.modules if "opentelemetry" in name or "metrics.otel" in name])
print([name for name in sys.modules if "metrics.emf" in name])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    otel, emf = ended.stdout.splitlines()
    assert otel == "[]"
    assert (emf == "[]") is (value == "None")
