"""What recorders have written, by metric and labels: counters, and the numbers of values of histograms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from websocket_gateway.metrics.catalogue import METRICS, PREFIX, Kind

Counts = Counter[tuple[str, ...]]
"""By the short name of the metric and its labels, such as `("send.posts", "outcome=gone")`."""


def key(name: str, labels: dict[str, Any]) -> tuple[str, ...]:
    """The key of a metric with its labels."""
    return name.removeprefix(f"{PREFIX}."), *sorted(f"{label}={value}" for label, value in labels.items())


def counts_of_lines(lines: Iterable[dict[str, Any]]) -> Counts:
    """The sums over lines of EMF; those of levels are left out."""
    found: Counts = Counter()
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        name = directive["Metrics"][0]["Name"]
        labels = {dimension: line[dimension] for dimension in directive["Dimensions"][0]}
        if METRICS[name].kind is Kind.HISTOGRAM:
            found[key(name, labels)] += len(line[name])
        elif METRICS[name].kind is Kind.COUNTER:
            found[key(name, labels)] += line[name]
    return found


def counts_of_exports(exports: Iterable[dict[str, Any]]) -> Counts:
    """The sums over cumulative exports of OpenTelemetry, one for each process."""
    found: Counts = Counter()
    for export in exports:
        for resource in export["resource_metrics"]:
            for scope in resource["scope_metrics"]:
                for metric in scope["metrics"]:
                    if METRICS[metric["name"]].kind is Kind.UP_DOWN_COUNTER:
                        continue
                    for point in metric["data"]["data_points"]:
                        number = point["count"] if "count" in point else point["value"]
                        found[key(metric["name"], point["attributes"])] += number
    return found


def emf_lines(text: str) -> list[dict[str, Any]]:
    """The lines of EMF among others."""
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"_aws"')]
