"""What can be done to chosen sessions: send to them, change their channels, ask AWS, disconnect them.

Each action but the question to AWS shows a page first, which posts to the same address again: the list with
its filters, the chosen rows and the action's name, as Django's own deletion of several rows does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from websocket_gateway.admin.access import CHANGE_SESSIONS, DISCONNECT, SEND, record
from websocket_gateway.admin.fields import ChannelField, MessageField
from websocket_gateway.admin.words import tell_delivery
from websocket_gateway.connections import disconnect
from websocket_gateway.connections.verifying import verify
from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.models import ChannelSubscription, WebSocketSession
from websocket_gateway.sending import send

MOST_CHOSEN = 200
_MOST_NAMED = 10


class MessageForm(forms.Form):
    """What to send."""

    message = MessageField(label=_("Message"), help_text=_('JSON, such as {"type": "notice"}.'))


class ChannelForm(forms.Form):
    """Which channel, and how."""

    channel = ChannelField()
    how = forms.ChoiceField(
        label=_("How"),
        choices=[
            ("subscribe", _("Subscribe: join it beside the channels they are in")),
            ("move", _("Move: make it their primary channel instead of the present one")),
        ],
        initial="subscribe",
        widget=forms.RadioSelect,
    )


class SessionActions:
    """The actions of `WebSocketSessionAdmin`."""

    actions = ("send_message", "change_channel", "verify", "disconnect")

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Sending is a permission of its own."""
        return request.user.has_perm(SEND)

    def has_disconnect_permission(self, request: HttpRequest) -> bool:
        """So is disconnecting."""
        return request.user.has_perm(DISCONNECT)

    def has_channel_permission(self, request: HttpRequest) -> bool:
        """Which channels a session is in is all of it that can be changed."""
        return request.user.has_perm(CHANGE_SESSIONS)

    def offered(self, request: HttpRequest) -> Iterator[tuple[str, Any]]:
        """Name and words of each action that this person may use."""
        for name in self.actions:
            action = getattr(self, name)
            if all(
                getattr(self, f"has_{needed}_permission")(request) for needed in action.allowed_permissions
            ):
                yield name, action.short_description

    @admin.action(permissions=["send"], description=_("Send a message\u2026"))
    def send_message(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for the message, show what will be sent to how many, send it."""
        chosen = self._chosen(request, queryset.filter(connected=True))
        if chosen is None:
            return None
        step = request.POST.get("step")
        form = MessageForm(request.POST if step else None)
        if not (step and form.is_valid()):
            return self._ask(request, "send_message", _("Send a message"), chosen, form, button=_("Preview"))
        message = form.cleaned_data["message"]
        if step != "apply":
            # From here on the message is what was seen: the form goes along, hidden.
            form.fields["message"].widget = forms.HiddenInput()
            return self._ask(
                request, "send_message", _("Send this message?"), chosen, form,
                button=_("Send"), step="apply", preview=message,
            )  # fmt: skip
        try:
            report = send(message, to=WebSocketSession.objects.filter(pk__in=[row.pk for row in chosen]))
        except (WebSocketGatewayError, ImproperlyConfigured) as exc:
            messages.error(request, str(exc))
            return None
        tell_delivery(request, report)
        self._record(request, chosen, f"Sent a message of {len(message)} bytes")
        return None

    @admin.action(permissions=["channel"], description=_("Subscribe to or move to a channel\u2026"))
    def change_channel(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for the channel, put them in it."""
        chosen = self._chosen(request, queryset.filter(connected=True))
        if chosen is None:
            return None
        form = ChannelForm(request.POST if request.POST.get("step") else None)
        if not form.is_valid():
            title = _("Subscribe to or move to a channel")
            return self._ask(request, "change_channel", title, chosen, form, button=_("Put them in it"))
        channel, how = form.cleaned_data["channel"], form.cleaned_data["how"]
        changed = sum(_join(row, channel, move=how == "move") for row in chosen)
        deed = f"Moved to channel {channel}" if how == "move" else f"Subscribed to channel {channel}"
        done = _("%(changed)d of %(chosen)d are in %(channel)s now; the others were already.")
        figures = {"changed": changed, "chosen": len(chosen), "channel": channel}
        messages.success(request, done % figures)
        self._record(request, chosen, deed)
        return None

    @admin.action(permissions=["view"], description=_("Verify: ask AWS whether they are open"))
    def verify(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Ask AWS about each; those that are closed are marked so."""
        chosen = self._chosen(request, queryset.filter(connected=True))
        if chosen is None:
            return
        found = verify(chosen)
        said = _("%(open)d are open, %(ended)d were closed and are marked so now.")
        messages.success(request, said % {"open": found.open, "ended": found.ended})
        if found.too_young:
            messages.info(request, _("%d connected just now: AWS cannot tell yet.") % found.too_young)
        _tell_failures(request, found.unknown, _("%(count)d could not be asked about: %(why)s"))
        self._record(request, chosen, "Asked AWS whether it is open")

    @admin.action(permissions=["disconnect"], description=_("Disconnect\u2026"))
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Show whom, then close their sockets for real."""
        chosen = self._chosen(request, queryset.filter(connected=True))
        if chosen is None:
            return None
        if request.POST.get("step") != "apply":
            return self._ask(
                request, "disconnect", _("Close these sockets?"), chosen, forms.Form(),
                button=_("Disconnect"), step="apply", dangerous=True,
            )  # fmt: skip
        done = disconnect(chosen, reason="admin")
        if done.closed or done.gone:
            said = _("%(closed)d sockets were closed; %(gone)d were closed already.")
            messages.success(request, said % {"closed": done.closed, "gone": done.gone})
        _tell_failures(request, done.reasons, _("%(count)d may still be open: %(why)s"))
        self._record(request, chosen, "Disconnected")
        return None

    def _chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[WebSocketSession] | None:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        rows = list(queryset.select_related("api_gateway", "user")[: MOST_CHOSEN + 1])
        if not rows:
            messages.warning(request, _("None of the chosen sessions is open any more: nothing to do."))
            return None
        if len(rows) > MOST_CHOSEN:
            said = _("Choose at most %d sessions at once. To reach more, send to a channel or to everyone.")
            messages.error(request, said % MOST_CHOSEN)
            return None
        return rows

    def _record(self, request: HttpRequest, chosen: list[WebSocketSession], deed: str) -> None:
        for row in chosen:
            record(self, request, row, deed)  # type: ignore[arg-type]

    def _ask(
        self,
        request: HttpRequest,
        action: str,
        title: Any,
        chosen: list[WebSocketSession],
        form: forms.Form,
        *,
        button: Any,
        step: str = "form",
        preview: bytes | None = None,
        dangerous: bool = False,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": title,
            "form": form,
            "action": action,
            "step": step,
            "button": button,
            "dangerous": dangerous,
            "preview": None if preview is None else preview.decode(),
            "bytes": len(preview or b""),
            "keys": [row.pk for row in chosen],
            "count": len(chosen),
            "named": chosen[:_MOST_NAMED],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/websocket_gateway/websocketsession/action.html", context)


def _join(session: WebSocketSession, channel: str, *, move: bool) -> bool:
    if not move:
        return session.subscribe(channel)
    if session.channel_name == channel:
        return False
    session.channel_name = channel
    session.save(update_fields=["channel_name"])
    ChannelSubscription.objects.filter(session=session, channel_name=channel).delete()
    return True


def _tell_failures(request: HttpRequest, failed: Mapping[str, int], said: Any) -> None:
    for why, count in failed.items():
        messages.error(request, said % {"count": count, "why": why})
