"""Actions on selected sessions: send a message, change the channel, verify with AWS, disconnect.

Every action except verify first shows a page. The page posts to the same address again, with the filters of
the list, the selected rows and the name of the action, like Django's own deletion of several rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from websocket_gateway.admin.access import CHANGE_SESSIONS, DISCONNECT, SEND, record
from websocket_gateway.admin.forms import ChannelForm, MessageForm
from websocket_gateway.admin.reporting import count_bytes, count_ended, report_delivery, report_failures
from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.models import BroadcastRun, WebSocketSession

if TYPE_CHECKING:
    _SessionAdmin = admin.ModelAdmin[WebSocketSession]
else:
    _SessionAdmin = admin.ModelAdmin

MOST_SELECTED = 200
_MOST_NAMED = 10


class SessionActions(_SessionAdmin):
    """The actions of `WebSocketSessionAdmin`."""

    actions = ("send_message", "change_channel", "verify", "disconnect")

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Sending has its own permission."""
        return request.user.has_perm(SEND)

    def has_disconnect_permission(self, request: HttpRequest) -> bool:
        """Disconnecting has its own permission."""
        return request.user.has_perm(DISCONNECT)

    def has_channel_permission(self, request: HttpRequest) -> bool:
        """The channels are the only part of a session that can be changed."""
        return request.user.has_perm(CHANGE_SESSIONS)

    def offered(self, request: HttpRequest) -> Iterator[tuple[str, str]]:
        """Yield name and description of each action that this user may use."""
        for name in self.actions:
            action = getattr(self, name)
            needed = action.allowed_permissions
            if all(getattr(self, f"has_{permission}_permission")(request) for permission in needed):
                yield name, action.short_description

    @admin.action(permissions=["send"], description=_lazy("Send a message\u2026"))
    def send_message(self, request: HttpRequest, queryset: QuerySet[WebSocketSession]) -> HttpResponse | None:
        """Ask for the message, show what will be sent, send it."""
        selected = self._selected(request, queryset)
        if selected is None:
            return None
        step = request.POST.get("step")
        form = MessageForm(request.POST if step else None)
        if not (step and form.is_valid()):
            return self._show_action_page(
                request, "send_message", _("Send a message"), selected, form, button=_("Preview")
            )
        message = form.cleaned_data["message"]
        if step != "apply":
            # The message is fixed from now on: the form is submitted again, hidden.
            form.fields["message"].widget = forms.HiddenInput()
            return self._show_action_page(
                request, "send_message", _("Send this message?"), selected, form,
                button=_("Send"), step="apply", preview=message,
            )  # fmt: skip
        from websocket_gateway.sending import send
        from websocket_gateway.sending.records import started_in

        recipients = WebSocketSession.objects.filter(pk__in=[row.pk for row in selected])
        try:
            with started_in(BroadcastRun.Origin.ADMIN, request.user):
                report = send(message, to=recipients)
        except (WebSocketGatewayError, ImproperlyConfigured) as exc:
            messages.error(request, str(exc))
            return None
        report_delivery(request, report)
        self._record(request, selected, f"Sent a message of {count_bytes(len(message))}")
        return None

    @admin.action(permissions=["channel"], description=_lazy("Subscribe to a channel or move to it\u2026"))
    def change_channel(
        self, request: HttpRequest, queryset: QuerySet[WebSocketSession]
    ) -> HttpResponse | None:
        """Ask for the channel, change the sessions."""
        selected = self._selected(request, queryset)
        if selected is None:
            return None
        form = ChannelForm(request.POST if request.POST.get("step") else None)
        if not form.is_valid():
            title = _("Subscribe to a channel or move to it")
            return self._show_action_page(request, "change_channel", title, selected, form, button=_("Save"))
        channel, move = form.cleaned_data["channel"], form.cleaned_data["how"] == "move"
        changed = sum(row.move_to(channel) if move else row.subscribe(channel) for row in selected)
        done = (
            ngettext("Moved %d session to channel %s.", "Moved %d sessions to channel %s.", changed)
            if move
            else ngettext(
                "Subscribed %d session to channel %s.", "Subscribed %d sessions to channel %s.", changed
            )
        )
        text = done % (changed, channel)
        if unchanged := len(selected) - changed:
            already = ngettext("%d session already was in it.", "%d sessions already were in it.", unchanged)
            text += " " + already % unchanged
        messages.success(request, text)
        self._record(
            request, selected, f"Moved to channel {channel}" if move else f"Subscribed to channel {channel}"
        )
        return None

    @admin.action(permissions=["view"], description=_lazy("Verify with AWS"))
    def verify(self, request: HttpRequest, queryset: QuerySet[WebSocketSession]) -> None:
        """Ask AWS about each session, and mark those whose socket is closed as ended."""
        selected = self._selected(request, queryset)
        if selected is None:
            return
        from websocket_gateway.connections import verify

        found = verify(selected)
        text = ngettext("%d socket is open.", "%d sockets are open.", found.open) % found.open
        messages.success(request, f"{text} {count_ended(found.ended)}" if found.ended else text)
        if found.too_young:
            young = ngettext(
                "%d session has just connected: AWS cannot confirm it yet.",
                "%d sessions have just connected: AWS cannot confirm them yet.",
                found.too_young,
            )
            messages.info(request, young % found.too_young)
        report_failures(
            request,
            found.unknown,
            singular="%(count)d socket could not be verified: %(reason)s",
            plural="%(count)d sockets could not be verified: %(reason)s",
        )
        self._record(request, selected, "Verified with AWS")

    @admin.action(permissions=["disconnect"], description=_lazy("Disconnect\u2026"))
    def disconnect(self, request: HttpRequest, queryset: QuerySet[WebSocketSession]) -> HttpResponse | None:
        """Show the sessions, then close their sockets."""
        selected = self._selected(request, queryset)
        if selected is None:
            return None
        if request.POST.get("step") != "apply":
            title = ngettext("Close this socket?", "Close these sockets?", len(selected))
            return self._show_action_page(
                request, "disconnect", title, selected, forms.Form(),
                button=_("Disconnect"), step="apply", dangerous=True,
            )  # fmt: skip
        from websocket_gateway.connections import disconnect

        done = disconnect(selected, reason="admin")
        if done.closed:
            text = ngettext("%d socket was closed.", "%d sockets were closed.", done.closed)
            messages.success(request, text % done.closed)
        if done.gone:
            text = ngettext("%d socket was closed already.", "%d sockets were closed already.", done.gone)
            messages.success(request, text % done.gone)
        report_failures(
            request,
            done.reasons,
            singular="%(count)d socket may still be open: %(reason)s",
            plural="%(count)d sockets may still be open: %(reason)s",
        )
        self._record(request, selected, "Disconnected")
        return None

    def _selected(
        self, request: HttpRequest, queryset: QuerySet[WebSocketSession]
    ) -> list[WebSocketSession] | None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = list(
            queryset.filter(connected=True).select_related("api_gateway", "user")[: MOST_SELECTED + 1]
        )
        if not rows:
            messages.warning(request, _("None of the selected sessions is open. Nothing was changed."))
            return None
        if len(rows) > MOST_SELECTED:
            text = _("Select at most %d sessions. To reach more, send to a channel or to everyone.")
            messages.error(request, text % MOST_SELECTED)
            return None
        return rows

    def _record(self, request: HttpRequest, selected: list[WebSocketSession], change: str) -> None:
        for row in selected:
            record(self, request, row, change)

    def _show_action_page(
        self,
        request: HttpRequest,
        action: str,
        title: str,
        selected: list[WebSocketSession],
        form: forms.Form,
        *,
        button: str,
        step: str = "form",
        preview: bytes | None = None,
        dangerous: bool = False,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "form": form,
            "action": action,
            "step": step,
            "button": button,
            "dangerous": dangerous,
            "preview": None if preview is None else preview.decode(),
            "bytes": len(preview or b""),
            "keys": [row.pk for row in selected],
            "count": len(selected),
            "named": selected[:_MOST_NAMED],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/websocket_gateway/websocketsession/action.html", context)
