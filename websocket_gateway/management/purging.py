"""How a `PurgeReport` looks: as lines for people, as one line of JSON for log collectors."""

from __future__ import annotations

import json
from collections.abc import Iterator

from websocket_gateway.purging import PurgeReport

# By the name of the deed: before the count, and after it; `s` is added to the noun.
_WORDS = {
    "sessions_ended_overdue": ("end", "session", "older than the service allows"),
    "sessions_ended_revoked": ("end", "session", "of users who may no longer be connected"),
    "sessions_deleted": ("delete", "session", "that ended longer ago than the retention"),
    "tokens_deleted": ("delete", "used or expired token", ""),
    "limits_deleted": ("delete", "rate limit", "whose window is over"),
    "messages_deleted": ("delete", "mark", "of messages handled more than a day ago"),
    "broadcasts_deleted": ("delete", "broadcast", "that finished longer ago than the retention"),
    "shards_resumed": ("take up", "broadcast shard", "whose lease has expired"),
    "sessions_asked_about": ("ask about", "session", "that may be alive"),
    "sessions_ended_gone": ("end", "session", "that AWS calls gone"),
}
_DONE = {"end": "Ended", "delete": "Deleted", "take up": "Took up", "ask about": "Asked about"}


def render_purge(report: PurgeReport, *, dry_run: bool, output_format: str) -> str:
    """The report in the format asked for."""
    if output_format == "json":
        return _as_json(report, dry_run)
    return "\n".join(_lines(report, dry_run))


def _as_json(report: PurgeReport, dry_run: bool) -> str:
    return json.dumps(
        {
            "command": "purge_connections",
            "dry_run": dry_run,
            **report.counts,
            "complete": report.complete,
            "problems": list(report.problems),
            "seconds": round(report.seconds, 3),
        },
        ensure_ascii=False,
    )


def _lines(report: PurgeReport, dry_run: bool) -> Iterator[str]:
    for name, count in report.counts.items():
        if count:
            verb, noun, which = _WORDS[name]
            beginning = f"Would {verb}" if dry_run else _DONE[verb]
            yield f"{beginning} {count} {noun}{'s' * (count != 1)} {which}".rstrip() + "."
    if not report and not report.problems:
        yield "Nothing to do."
    if not report.complete:
        yield f"Stopped after {report.seconds:.0f} s as asked; the next run goes on."
