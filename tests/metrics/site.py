"""Settings, URLconf and WSGI application of a site that is measured; `METRICS` is of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.wsgi import get_wsgi_application
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.metrics.urls"
WEBSOCKET_GATEWAY = {
    "ALLOWED_ORIGINS": ["https://www.example.com"],
    "CHANNELS": {"kept_*": {"HISTORY_MESSAGES": 5}},
    "MAX_MESSAGES_PER_MINUTE": 0,
    "RATE_LIMIT_MAX_ATTEMPTS": 0,
    "SEND_ENGINE": "asyncio",
    # However slow the machine is, no post of the load is given up.
    "SEND_TIMEOUT_SECONDS": 60,
    "SEND_DEADLINE_SECONDS": 60,
    "REQUEST_SEND_DEADLINE_SECONDS": 60,
    "METRICS": os.environ.get("MEASURED_SITE_METRICS"),
}
EXPORTED = os.environ.get("MEASURED_SITE_EXPORTED", "")
"""The folder in which each process keeps the newest export of OpenTelemetry."""


class FileExporter(MetricExporter):
    """Writes the cumulative figures of this process to a file, over those of before."""

    def export(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> MetricExportResult:
        file = Path(EXPORTED) / f"{os.getpid()}.json"
        file.write_text(metrics_data.to_json())
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is open."""


if EXPORTED:
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(FileExporter(), 500)]))


def __getattr__(name: str) -> object:
    # Only when gunicorn asks for it: Django reads this module while it is set up.
    if name == "application":
        return get_wsgi_application()
    raise AttributeError(name)
