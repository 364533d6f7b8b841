"""Messages about the outcome of deliveries and actions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

if TYPE_CHECKING:
    from websocket_gateway.sending import DeliveryReport


def report_delivery(request: HttpRequest, report: DeliveryReport) -> None:
    """Show the outcome of a delivery."""
    if not report.recipients:
        messages.warning(request, _("There are no open sockets: nothing was sent."))
        return
    figures = {"delivered": report.delivered, "recipients": report.recipients}
    text = _("Delivered to %(delivered)d of %(recipients)d.") % figures
    if report.gone:
        text += " " + count_ended(report.gone)
    messages.success(request, text) if report.delivered else messages.warning(request, text)
    for reason, count in report.reasons.items():
        failed = ngettext(
            "%(count)d recipient possibly did not receive it: %(reason)s",
            "%(count)d recipients possibly did not receive it: %(reason)s",
            count,
        )
        messages.error(request, failed % {"count": count, "reason": reason})


def report_failures(request: HttpRequest, failed: Mapping[str, int], *, singular: str, plural: str) -> None:
    """Show one error for each reason. The texts contain `%(count)d` and `%(reason)s`."""
    for reason, count in failed.items():
        messages.error(request, ngettext(singular, plural, count) % {"count": count, "reason": reason})


def count_ended(count: int) -> str:
    """Return the sentence about sockets that AWS no longer has."""
    return ngettext(
        "%d socket was closed; its session is now marked as ended.",
        "%d sockets were closed; their sessions are now marked as ended.",
        count,
    ) % (count,)


def in_lines(values: Mapping[str, object]) -> str:
    """Return a JSON object as lines `name: value`."""
    shown = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for value in values.values()
    )
    return "\n".join(map(": ".join, zip(values, shown, strict=True))) or "\u2013"


def count_bytes(count: int) -> str:
    """Return a number of bytes in words."""
    return ngettext("%d byte", "%d bytes", count) % count
