"""What several pages say in the same words."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from websocket_gateway.sending import DeliveryReport


def tell_delivery(request: HttpRequest, report: DeliveryReport) -> None:
    """Say what became of a message."""
    if not report.recipients:
        messages.warning(request, _("Nobody is connected: nothing was sent."))
        return
    figures = {"delivered": report.delivered, "recipients": report.recipients, "gone": report.gone}
    said = _("Delivered to %(delivered)d of %(recipients)d.") % figures
    if report.gone:
        said += " " + _("%(gone)d sockets were closed; their sessions are marked so now.") % figures
    messages.success(request, said) if report.delivered else messages.warning(request, said)
    for reason, count in report.reasons.items():
        why = {"count": count, "why": reason}
        messages.error(request, _("%(count)d may not have it: %(why)s") % why)
