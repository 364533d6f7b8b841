"""Notes when the purge, a check and a sync last ended. `ws_metrics` shows how long ago that was."""

from __future__ import annotations

from typing import Final

from django.db import Error, router, transaction
from django.utils import timezone

from websocket_gateway.log_records import get_logger
from websocket_gateway.models import ApiGateway, LastRun

logger = get_logger(__name__)

PURGE: Final = "purge"


def check_of(gateway: ApiGateway) -> str:
    """The name of the last check of a gateway."""
    return f"check:{gateway.uuid.hex}"


def sync_of(gateway: ApiGateway) -> str:
    """The name of the last sync of a gateway."""
    return f"sync:{gateway.uuid.hex}"


def note_run(name: str, *, found: int = 0) -> None:
    """Note that a run ended now. A failure is logged: the run itself has done its work."""
    using = router.db_for_write(LastRun)
    rows, values = LastRun.objects.using(using), {"ended_on": timezone.now(), "found": found}
    try:
        # First an UPDATE: SQLite lets who has read in a transaction not wait for another's write.
        with transaction.atomic(using=using):
            if not rows.filter(name=name).update(**values):
                rows.update_or_create(name=name, defaults=values)
    except Error as exc:
        logger.warning(
            "The end of the run %r could not be noted: %s", name, exc, extra={"event": "run_not_noted"}
        )
