"""How a `DeliveryReport` looks: as lines for people, as JSON for programs, as a bar while it grows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from tqdm import tqdm

from websocket_gateway.services.reports import DeliveryReport


def render_report(report: DeliveryReport, *, audience: str, output_format: str) -> str:
    """The report in the format asked for; `audience` says in words whom it was sent to."""
    return _as_json(report) if output_format == "json" else "\n".join(_lines(report, audience))


def _as_json(report: DeliveryReport) -> str:
    return json.dumps(
        {
            "recipients": report.recipients,
            "delivered": report.delivered,
            "gone": report.gone,
            "failed": report.failed,
            "reasons": dict(report.reasons),
            "retried": report.retried,
            "seconds": round(report.seconds, 3),
            "engine": report.engine,
            "failures": [asdict(failure) for failure in report.failures],
        },
        indent=2,
        ensure_ascii=False,
    )


def _lines(report: DeliveryReport, audience: str) -> Iterator[str]:
    if not report.recipients:
        nobody = f"Nobody is connected ({audience}): nothing was sent."
        yield nobody if report.engine else "Nothing was sent."
        return
    delivered = f"{report.delivered} of {report.recipients} delivered"
    yield f"Sent to {audience}: {delivered} in {report.seconds:.1f} s."
    if report.gone:
        yield f"  gone     {report.gone}  (their sessions are marked as ended)"
    if report.failed:
        yield f"  failed   {report.failed}"
    for reason, count in report.reasons.items():
        yield f"    {count} x {reason}"
    if report.retried:
        yield f"  retried  {report.retried}"


@contextmanager
def delivery_bar(count: Callable[[], int]) -> Iterator[Callable[[DeliveryReport], None]]:
    """A progress bar on stderr, which `count` gives the length of; without a terminal, nothing."""
    if not sys.stderr.isatty():
        yield lambda report: None
        return
    with tqdm(total=count(), unit=" messages", file=sys.stderr, dynamic_ncols=True, leave=False) as bar:

        def show(report: DeliveryReport) -> None:
            bar.total = max(bar.total or 0, report.recipients)
            bar.update(report.recipients - bar.n)

        yield show
