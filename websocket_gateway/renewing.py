"""Renewing a lease for as long as a piece of work takes, however long a single step of it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connections, models, router

logger = logging.getLogger(__name__)


@contextmanager
def renewing(renew: Callable[[], bool], *, every: float, model: type[models.Model]) -> Iterator[None]:
    """Call `renew` every so many seconds from a thread, until the block ends or `renew` says no.

    Not inside a transaction on the model's database: its lock on the row keeps everybody else out anyway.
    """
    if connections[router.db_for_write(model)].in_atomic_block:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(
        target=_renew_until, args=(renew, every, ended), name="websocket-gateway-lease", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew_until(renew: Callable[[], bool], every: float, ended: threading.Event) -> None:
    try:
        while not ended.wait(every):
            try:
                if not renew():
                    return  # whoever works finds out at the next step
            except DatabaseError:
                logger.warning("A lease could not be renewed; trying again.", exc_info=True)
    finally:
        connections.close_all()
