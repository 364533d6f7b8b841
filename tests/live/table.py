"""The table of a run: what was expected, what was seen. It is what a user sends us."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from tests.live.known import Known, find_known

Verdict = Literal["same", "known", "DIFFERS", "not tried"]
# An account number, the id of an API, the host that an answer names, a secret in hexadecimal.
_PRIVATE = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "(secret)"),
    (re.compile(r"\b\d{12}\b"), "(account)"),
    (re.compile(r"\b[a-z0-9]{8,10}(?=\.execute-api\.)"), "(api)"),
    (re.compile(r"(?<=/apis/)[a-z0-9]+"), "(api)"),
    (re.compile(r"\b(?:[A-Z0-9]{16,20})\b(?=\.|:|/|$)"), "(key)"),
)


CONFIDENCE = (
    "Confidence of a reason: H, AWS's documentation or the service model of botocore says so; M, a project "
    "that tests on AWS relies on it, or its texts are reported; L, reports only; INF, inferred."
)


@dataclass(frozen=True)
class Row:
    """One case."""

    part: str
    case: str
    expected: str
    seen: str
    verdict: Verdict
    why: str = ""


@dataclass
class Table:
    """The rows of one target."""

    target: str
    region: str
    hidden: tuple[str, ...] = ()
    """Texts that must not be in the table: the host of the public URL, the domain."""
    rows: list[Row] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def compare(self, part: str, case: str, expected: object, seen: object) -> None:
        """Add a row; fail where what was seen is neither expected nor a difference that is known."""
        assert (failure := self.note(part, case, expected, seen)) == "", failure

    def note(self, part: str, case: str, expected: object, seen: object) -> str:
        """Add a row; returns how it fails, or an empty text."""
        wanted, found = self._clean(expected), self._clean(seen)
        known = None if wanted == found else find_known(self.target, part, case, found)
        verdict: Verdict = "same" if wanted == found else "known" if known else "DIFFERS"
        self.rows.append(Row(part, case, wanted, found, verdict, _reason(known)))
        if verdict != "DIFFERS":
            return ""
        return f"{self.target}, {part}, {case}: expected {wanted!r}, seen {found!r}"

    def leave_out(self, part: str, case: str, why: str) -> None:
        """Add a row for a case that cannot be tried here."""
        self.rows.append(Row(part, case, "", "", "not tried", why))

    def _clean(self, value: object) -> str:
        text = " ".join(str(value).split())
        for host in filter(None, self.hidden):
            text = text.replace(host, "(host)")
        for pattern, word in _PRIVATE:
            text = pattern.sub(word, text)
        return text

    @property
    def summary(self) -> str:
        """The figures, in one line."""
        counts = {name: sum(row.verdict == name for row in self.rows) for name in _VERDICTS}
        return f"{self.target}: " + ", ".join(f"{count} {name}" for name, count in counts.items())

    def render(self) -> Iterator[str]:
        """The table as Markdown: readable as text, and as a file."""
        python = platform.python_version()
        names = ("django-websocket-gateway", "boto3", "botocore", "Django")
        versions = ", ".join(f"{name} {version(name)}" for name in names)
        yield f"# API Gateway as seen on {self.target}"
        yield ""
        yield f"{self.started:%Y-%m-%d %H:%M} UTC, region {self.region or '-'}. {versions}, Python {python}."
        yield self.summary + "."
        if any(row.verdict == "known" for row in self.rows):
            yield CONFIDENCE
        for part in dict.fromkeys(row.part for row in self.rows):
            yield ""
            yield f"## {part}"
            yield ""
            yield "| case | expected | seen | verdict |"
            yield "|---|---|---|---|"
            rows = [row for row in self.rows if row.part == part]
            for row in rows:
                if row.verdict != "not tried":
                    verdict = f"{row.verdict}: {row.why}" if row.why else row.verdict
                    yield "| " + " | ".join(map(_cell, (row.case, row.expected, row.seen, verdict))) + " |"
            for why in dict.fromkeys(row.why for row in rows if row.verdict == "not tried"):
                cases = [row.case for row in rows if row.verdict == "not tried" and row.why == why]
                yield f"| {_cell(', '.join(cases))} | | | not tried ({len(cases)}): {why} |"

    def write(self, folder: str) -> Path:
        """Write the file; returns where it is."""
        path = Path(folder) / f"{self.target}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self.render()) + "\n", encoding="utf-8")
        return path


_VERDICTS: tuple[Verdict, ...] = ("same", "known", "DIFFERS", "not tried")


def _reason(known: Known | None) -> str:
    if known is None:
        return ""
    right = f"{known.why.right} is right" if known.why.right != "not known" else "not known who is right"
    return f"{right} ({known.why.confidence}): {known.why.text}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
