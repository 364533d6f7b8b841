"""The pages of the live overview and of sending a broadcast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from websocket_gateway.admin.access import SEND, VIEW_MEMBERS, VIEW_SESSIONS, record
from websocket_gateway.admin.forms import BroadcastForm
from websocket_gateway.admin.live_figures import read_overview
from websocket_gateway.admin.reporting import count_bytes, report_delivery
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import NotEnqueuedError, WebSocketGatewayError
from websocket_gateway.models import BroadcastRun, WebSocketSession
from websocket_gateway.task_queue import background_backend

if TYPE_CHECKING:
    _SessionAdmin = admin.ModelAdmin[WebSocketSession]
else:
    _SessionAdmin = admin.ModelAdmin

MOST_AT_ONCE = 1_000
"""Without a task queue, at most this number of recipients is sent to within the request."""


class Overview(_SessionAdmin):
    """The part of `WebSocketSessionAdmin` for the live overview and for broadcasts."""

    def overview_urls(self) -> list[URLPattern]:
        """Return the URLs of the page, its figures and the form."""
        page, figures = require_safe(self.overview_view), never_cache(require_safe(self.figures_view))
        form = require_http_methods(["GET", "HEAD", "POST"])(self.send_view)
        guarded = self.admin_site.admin_view
        return [
            path("overview/", guarded(page), name="websocket_gateway_overview"),
            path("overview/figures/", guarded(figures), name="websocket_gateway_figures"),
            path("broadcast/", guarded(form), name="websocket_gateway_send"),
        ]

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """Render the page, whose script reads the figures."""
        _require(request, VIEW_SESSIONS)
        with_members = get_settings().has_presence and request.user.has_perm(VIEW_MEMBERS)
        context = self._context(
            request,
            title=_("Live overview"),
            may_send=request.user.has_perm(SEND),
            with_members=with_members,
            setting="ACTIVITY_RETENTION_DAYS",
            records=get_settings().activity_retention_days,
        )
        return TemplateResponse(request, "admin/websocket_gateway/overview.html", context)

    def figures_view(self, request: HttpRequest) -> HttpResponse:
        """Return the figures as JSON."""
        _require(request, VIEW_SESSIONS)
        figures = read_overview()
        if not request.user.has_perm(VIEW_MEMBERS):
            figures = {**figures, "members": []}
        return JsonResponse(figures)

    def send_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for message and audience, show the number of recipients, send it."""
        from websocket_gateway.sending.audience import find_audience

        _require(request, SEND)
        step = request.POST.get("step")
        form = BroadcastForm(request.POST if step else None)
        if not (step and form.is_valid()):
            return self._show_form(request, form, button=_("Preview"), step="preview")
        try:
            audience = form.audience()
            count = find_audience(everyone=not audience, **audience).count()
            by_command = background_backend() is None and count > MOST_AT_ONCE
            if step == "apply" and not by_command:
                return self._send(request, form)
        except NotEnqueuedError as exc:  # it is saved: the form must not be sent again
            messages.warning(request, str(exc))
            return redirect("admin:websocket_gateway_overview")
        except (WebSocketGatewayError, ImproperlyConfigured) as exc:
            messages.error(request, str(exc))
            return self._show_form(request, form, button=_("Preview"), step="preview")
        for field in form.fields.values():
            field.widget = forms.HiddenInput()
        return self._show_form(
            request,
            form,
            button=_("Send"),
            step="apply",
            preview=form.cleaned_data["message"].decode(),
            bytes=len(form.cleaned_data["message"]),
            recipients=count,
            audience=form.describe_audience(),
            by_command=by_command,
        )

    def _send(self, request: HttpRequest, form: BroadcastForm) -> HttpResponse:
        from websocket_gateway.sending.records import started_in

        with started_in(BroadcastRun.Origin.ADMIN, request.user):
            run = _start(request, form)
        model_admin = self.admin_site.get_model_admin(BroadcastRun)
        sent = count_bytes(len(form.cleaned_data["message"]))
        record(model_admin, request, run, f"Sent {sent} to {form.describe_audience()}")
        return redirect("admin:websocket_gateway_overview")

    def _show_form(self, request: HttpRequest, form: BroadcastForm, **context: object) -> HttpResponse:
        shown = self._context(request, title=_("Broadcast"), form=form, most_at_once=MOST_AT_ONCE)
        shown = {**shown, "preview": None, **context}
        return TemplateResponse(request, "admin/websocket_gateway/send.html", shown)

    def _context(self, request: HttpRequest, **context: object) -> dict[str, object]:
        return {**self.admin_site.each_context(request), "opts": self.opts, **context}


def _start(request: HttpRequest, form: BroadcastForm) -> BroadcastRun:
    """Enqueue the broadcast where there is a queue, else send it now."""
    from websocket_gateway import sending

    audience, message = form.audience(), form.cleaned_data["message"]
    if background_backend() is not None:
        run = sending.enqueue_run(message, **audience)
        messages.success(request, _("Broadcast %d is in the queue. Its figures are below.") % run.pk)
    else:
        run = sending.create_run(message, **audience)
        sending.work_until_finished(run.pk)
        report_delivery(request, sending.summarize(run.pk).report)
    return run


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
