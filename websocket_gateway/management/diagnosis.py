"""How a `Diagnosis` looks: one line a finding for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from websocket_gateway.diagnostics.probing import Diagnosis


def render_diagnosis(diagnosis: Diagnosis, *, output_format: str, style: Any) -> str:
    """The diagnosis in the format asked for; `style` colours the levels."""
    return _as_json(diagnosis) if output_format == "json" else "\n".join(_lines(diagnosis, style))


def summary(diagnosis: Diagnosis) -> str:
    """How many there are of what."""
    counts = [(diagnosis.count(level), level) for level in ("error", "warning")]
    found = [f"{count} {level}{'s' * (count != 1)}" for count, level in counts if count]
    return f"{', '.join(found)}." if found else "Nothing found."


def _as_json(diagnosis: Diagnosis) -> str:
    return json.dumps(
        {
            "errors": diagnosis.count("error"),
            "warnings": diagnosis.count("warning"),
            "findings": [asdict(finding) for finding in diagnosis.findings],
            "facts": diagnosis.facts,
        },
        indent=2,
        ensure_ascii=False,
    )


def _lines(diagnosis: Diagnosis, style: Any) -> Iterator[str]:
    for fact in diagnosis.facts:
        yield f"{style.SUCCESS('OK'.ljust(7))}  {'':4}  {fact}"
    for finding in sorted(diagnosis.findings, key=lambda finding: finding.level):
        paint = style.ERROR if finding.level == "error" else style.WARNING
        number = finding.id.rpartition(".")[2]
        whose = f"{finding.gateway}: " if finding.gateway else ""
        message = " ".join(finding.message.split())
        yield f"{paint(finding.level.upper().ljust(7))}  {number}  {whose}{message}  ->  {finding.hint}"
    yield summary(diagnosis)
