"""The progress of a delivery on stderr: a bar on a terminal, lines at intervals elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from websocket_gateway.sending import DeliveryReport

LINE_EVERY_SECONDS = 10.0


@contextmanager
def delivery_progress(
    count: Callable[[], int], write: Callable[[str], object]
) -> Iterator[Callable[[DeliveryReport], None]]:
    """Yield the function that shows a report. `count` counts the recipients, `write` writes a line."""
    if not sys.stderr.isatty():
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
