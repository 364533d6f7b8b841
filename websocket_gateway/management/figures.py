"""The formats of `ws_metrics`, and the file that is replaced in one step."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from typing import Final

from websocket_gateway.diagnostics.figures import Figure

_MODE: Final = 0o644


def replace_file(path: str, text: str) -> None:
    """Replace a file in one step, so that no reader sees a part of it. Raises `OSError`.

    The target of a symbolic link is replaced, not the link. What is not a regular file, such as /dev/null,
    a pipe or a directory, is written to.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    path = os.path.realpath(path)
    descriptor, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".ws_metrics.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.chmod(name, _MODE)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def as_text(figures: Sequence[Figure]) -> str:
    """One line for each value."""
    lines = []
    for figure in figures:
        shown = "never" if figure.value is None else f"{figure.value:g}"
        unit = " s" if figure.metric.unit == "s" and figure.value is not None else ""
        labels = " ".join(f"{name}={value}" for name, value in figure.labels.items())
        lines.append(f"{figure.metric.name.partition('.')[2]:26} {shown + unit:>12}  {labels}".rstrip())
    return "\n".join(lines) + "\n"


def as_json(figures: Sequence[Figure]) -> str:
    """One line, for log collectors."""
    metrics = [
        {
            "name": figure.metric.name,
            "unit": figure.metric.unit,
            "labels": figure.labels,
            "value": figure.value,
        }
        for figure in figures
    ]
    return json.dumps({"command": "ws_metrics", "metrics": metrics}, ensure_ascii=False) + "\n"


def as_prometheus(figures: Sequence[Figure]) -> str:
    """The text format, version 0.0.4; what never happened has no sample.

    https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
    """
    return "".join(f"{line}\n" for line in _prometheus_lines(figures))


def _prometheus_lines(figures: Sequence[Figure]) -> Iterator[str]:
    ordered = sorted(figures, key=lambda figure: figure.metric.name)
    for metric, found in groupby(ordered, key=attrgetter("metric")):
        name = metric.prometheus_name
        yield f"# HELP {name} {metric.help}"
        yield f"# TYPE {name} gauge"
        for figure in found:
            if figure.value is not None:
                labels = ",".join(f'{key}="{_escape(value)}"' for key, value in figure.labels.items())
                yield f"{name}{{{labels}}} {figure.value!r}" if labels else f"{name} {figure.value!r}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


WRITERS: Final[dict[str, Callable[[Sequence[Figure]], str]]] = {
    "text": as_text,
    "json": as_json,
    "prometheus": as_prometheus,
}
