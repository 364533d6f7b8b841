"""Output of a delivery: progress on stderr, the report as text or as JSON on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from django.core.management.base import CommandError
from django.utils.translation import ngettext

from websocket_gateway.channels.history import has_history
from websocket_gateway.management.audience import Audience
from websocket_gateway.models import BroadcastRun
from websocket_gateway.sending import DeliveryReport
from websocket_gateway.sending.audience import describe_audience
from websocket_gateway.sending.reports import DeliveryInterruptedError
from websocket_gateway.sending.summaries import RunSummary

LINE_EVERY_SECONDS = 10.0


@contextmanager
def delivery_progress(
    count: Callable[[], int], write: Callable[[str], object]
) -> Iterator[Callable[[DeliveryReport], None]]:
    """Yield the function that shows a report. `count` counts the recipients, `write` writes a line."""
    if sys.stderr is None or sys.stderr.closed or not sys.stderr.isatty():
        yield _Lines(count, write).show
        return
    from tqdm import tqdm  # at first use: nothing else needs it

    with tqdm(total=count(), unit=" messages", file=sys.stderr, dynamic_ncols=True, leave=False) as bar:

        def show(report: DeliveryReport) -> None:
            bar.total = max(bar.total or 0, report.recipients)
            bar.update(report.recipients - bar.n)

        yield show


class _Lines:
    """Writes a line every ten seconds; a short delivery writes none."""

    def __init__(self, count: Callable[[], int], write: Callable[[str], object]) -> None:
        self._count = count
        self._write = write
        self._total: int | None = None
        self._started = self._written = time.monotonic()

    def show(self, report: DeliveryReport) -> None:
        now = time.monotonic()
        if now - self._written < LINE_EVERY_SECONDS:
            return
        self._written = now
        if self._total is None:
            # Counted late, because a short delivery needs no count. Connections that were gone have left it.
            self._total = self._count() + report.gone
        sent, total = report.recipients, max(self._total, report.recipients)
        rate = sent / (now - self._started)
        left = f", about {(total - sent) / rate:.0f} s left" if rate else ""
        failed = f", {report.failed} failed" if report.failed else ""
        self._write(f"{sent} of {total} sent{failed}, {rate:.0f} per second{left}.")


def render_report(
    report: DeliveryReport, *, audience: str, output_format: str, interrupted: bool = False
) -> str:
    """Return the report in that format; `audience` is the audience in words."""
    if output_format == "json":
        return _as_json(_figures(report) | _place(report))
    if not report.recipients:
        result = "nothing was sent" if report.offset is None else f"saved at offset {report.offset}"
        return "Nothing was sent." if interrupted else f"No open connections ({audience}): {result}."
    delivered = f"{report.delivered} of {report.recipients} delivered"
    first = f"Sent to {audience}: {delivered} in {report.seconds:.1f} s."
    return "\n".join([first, *_details(report)])


def render_run(summary: RunSummary, *, output_format: str) -> str:
    """Return the status of a broadcast in that format."""
    run, report = summary.run, summary.report
    if output_format == "json":
        whole = {"broadcast": run.pk, "state": run.state, "expected": run.recipients}
        parts = {"shards": summary.shards, "finished": summary.finished, "working": summary.working}
        return _as_json({**whole, **parts, **_figures(report)})
    shards = ngettext("%d of %d shard finished", "%d of %d shards finished", summary.shards)
    first = (
        f"Broadcast {run.pk} to {audience_of(run)} is {run.get_state_display()}: {report.delivered} of "
        f"{max(run.recipients, report.recipients)} delivered in {report.seconds:.1f} s, "
        f"{shards % (summary.finished, summary.shards)}, {summary.working} being sent."
    )
    return "\n".join([first, *_details(report)])


def how_to_continue(audience: Audience, stopped: DeliveryInterruptedError) -> str:
    """Return the next step after a broadcast that the database has interrupted."""
    if "connection_ids" in audience:
        return "Send again to the same file; those that were reached get the message twice."
    if "channel" in audience and has_history(audience["channel"]):
        return "The message is in the history of the channel: clients recover it when they reconnect."
    return f"Continue with the same command and: --resume-after {stopped.last_key}"


def refuse_resuming(audience: Audience) -> None:
    """Raise `CommandError` for an audience that --resume-after cannot be used with."""
    if "connection_ids" in audience:
        raise CommandError("--resume-after and --only-from cannot be used together.", returncode=2)
    if "channel" in audience and has_history(audience["channel"]):
        raise CommandError(
            "--resume-after cannot be used for a channel with a history: its message is saved, and clients "
            "recover it.",
            returncode=2,
        )


def audience_of(run: BroadcastRun) -> str:
    """Return the audience of a broadcast in words."""
    if run.audience == BroadcastRun.AudienceType.CHANNEL:
        return describe_audience(channel=run.channel_name)
    if run.audience == BroadcastRun.AudienceType.EVERYONE:
        return describe_audience()
    return describe_audience(user=run.user.get_username()) if run.user else "a user that was deleted"


def _figures(report: DeliveryReport) -> dict[str, object]:
    return {
        "recipients": report.recipients,
        "delivered": report.delivered,
        "gone": report.gone,
        "failed": report.failed,
        "reasons": dict(report.reasons),
        "retried": report.retried,
        "seconds": round(report.seconds, 3),
        "engine": report.engine,
        "failures": [asdict(failure) for failure in report.failures],
    }


def _place(report: DeliveryReport) -> dict[str, object]:
    """Return the place of a message in the history of its channel, if that has one."""
    return {} if report.offset is None else {"epoch": report.epoch, "offset": report.offset}


def _as_json(values: dict[str, object]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False)


def _details(report: DeliveryReport) -> Iterator[str]:
    if report.offset is not None:
        yield f"  offset   {report.offset}  (epoch {report.epoch})"
    if report.gone:
        yield f"  gone     {report.gone}  (their sessions are marked as ended)"
    if report.failed:
        yield f"  failed   {report.failed}"
    for reason, count in report.reasons.items():
        yield f"    {count} x {reason}"
    if report.retried:
        yield f"  retried  {report.retried}"
