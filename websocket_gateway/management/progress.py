"""How a message on its way looks on stderr: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from websocket_gateway.sending import DeliveryReport

LINE_EVERY_SECONDS = 10.0


@contextmanager
def delivery_progress(
    count: Callable[[], int], write: Callable[[str], object]
) -> Iterator[Callable[[DeliveryReport], None]]:
    """Show reports as they grow; `count` says how many recipients there are, `write` takes a log's lines."""
    if not sys.stderr.isatty():
        yield _Lines(count, write).show
        return
    with tqdm(total=count(), unit=" messages", file=sys.stderr, dynamic_ncols=True, leave=False) as bar:

        def show(report: DeliveryReport) -> None:
            bar.total = max(bar.total or 0, report.recipients)
            bar.update(report.recipients - bar.n)

        yield show


class _Lines:
    """A line every ten seconds; a short run has none."""

    def __init__(self, count: Callable[[], int], write: Callable[[str], object]) -> None:
        self._count = count
        self._write = write
        self._total: int | None = None
        self._began = self._told = time.monotonic()

    def show(self, report: DeliveryReport) -> None:
        now = time.monotonic()
        if now - self._told < LINE_EVERY_SECONDS:
            return
        self._told = now
        if self._total is None:
            # Asked late, because a short run needs no count; who was found gone is not counted any more.
            self._total = self._count() + report.gone
        sent, total = report.recipients, max(self._total, report.recipients)
        rate = sent / (now - self._began)
        left = f", about {(total - sent) / rate:.0f} s left" if rate else ""
        failed = f", {report.failed} failed" if report.failed else ""
        self._write(f"{sent} of {total} sent{failed}, {rate:.0f} a second{left}.")
