"""The page of a gateway's plan: what would be done in AWS, and the button that applies it."""

from __future__ import annotations

import shlex
from typing import TypedDict
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.cache import cache
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models.options import Options
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from websocket_gateway.admin.access import may_provision, record
from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.models import ApiGateway

_REMEMBERED_SECONDS = 3600
_HAS_PLAN = frozenset({"websocket_gateway.E105", "websocket_gateway.W111"})
"""Findings about which the page of the plan says more than their hint, which names a command."""


class _Options(TypedDict):
    """What the page was asked for besides the plan of a sync."""

    prune: bool
    import_changes: bool


class ProvisioningPage:
    """Part of `ApiGatewayAdmin`. Planning is imported when a plan is shown, so that a process starts fast."""

    admin_site: AdminSite
    opts: Options[ApiGateway]

    def has_provision_permission(self, request: HttpRequest) -> bool:
        """Return whether the user has the permission and `ADMIN_PROVISIONING` is on."""
        return may_provision(request)

    def plan_urls(self) -> list[URLPattern]:
        """The page's address."""
        view = require_http_methods(["GET", "HEAD", "POST"])(self.plan_view)
        return [path("<int:pk>/plan/", self.admin_site.admin_view(view), name="websocket_gateway_plan")]

    def plan_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET shows the plan; POST applies the plan that was shown."""
        from websocket_gateway.provisioning import Choices, plan_provisioning
        from websocket_gateway.provisioning.confirming import Means, means_to_apply
        from websocket_gateway.provisioning.describe import name_deletions, notes_of, render_plan

        if not may_provision(request):
            raise PermissionDenied
        gateway = ApiGateway.objects.filter(pk=pk).first()
        if gateway is None:
            messages.warning(request, _("This gateway does not exist any more."))
            return redirect("admin:websocket_gateway_apigateway_changelist")
        options = _options(request.POST or request.GET)
        if request.method == "POST":
            return self._apply(request, gateway, options)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": gateway,
            "title": _("Import from AWS") if options["import_changes"] else _("Plan for AWS"),
            **options,
            "command": _command(gateway, **options),
            "queued": means_to_apply() is Means.QUEUE,
            "by_command": means_to_apply() is Means.COMMAND,
        }
        try:
            planned = plan_provisioning(gateway, choices=Choices(**options))
        except (WebSocketGatewayError, ImproperlyConfigured) as exc:
            context["error"] = str(exc)
        else:
            plan = planned.plan
            self.remember_drift(gateway, len(plan) + len(plan.left))
            context |= {
                "plan": plan,
                "lines": "\n".join(render_plan(plan)),
                "deletions": name_deletions(plan),
                "notes": list(notes_of(plan)),
            }
        return TemplateResponse(request, "admin/websocket_gateway/apigateway/plan.html", context)

    def _apply(self, request: HttpRequest, gateway: ApiGateway, options: _Options) -> HttpResponse:
        from websocket_gateway.provisioning import confirming

        means, seen = confirming.means_to_apply(), request.POST.get("fingerprint", "")
        query = urlencode({name: 1 for name, chosen in options.items() if chosen})
        back = redirect(
            reverse("admin:websocket_gateway_plan", args=[gateway.pk]) + f"?{query}" * bool(query)
        )
        try:
            if means is confirming.Means.COMMAND:
                messages.warning(request, _("Nothing was done. Run: %s") % _command(gateway, **options))
                return back
            if means is confirming.Means.QUEUE:
                confirming.queue_confirmed(gateway, fingerprint=seen, **options)
                record(self, request, gateway, "Queued the plan for AWS")  # type: ignore[arg-type]
                text = _("The plan is in the queue. This page shows the result when a worker has applied it.")
                messages.success(request, text)
                return redirect("admin:websocket_gateway_apigateway_change", gateway.pk)
            done = confirming.provision_confirmed(gateway.pk, fingerprint=seen, **options)
        except (WebSocketGatewayError, ImproperlyConfigured) as exc:
            messages.error(request, str(exc))
            return back
        steps = len(done.plan)
        applied = ngettext("Applied a plan of %d step in AWS", "Applied a plan of %d steps in AWS", steps)
        record(self, request, gateway, applied % steps)  # type: ignore[arg-type]
        self.forget_drift(gateway)
        messages.success(request, ngettext("Done: %d step.", "Done: %d steps.", steps) % steps)
        return redirect("admin:websocket_gateway_apigateway_change", gateway.pk)

    def show_next_step(self, request: HttpRequest, gateway: ApiGateway) -> None:
        """After saving: say that nothing has changed in AWS yet."""
        if may_provision(request):
            url = reverse("admin:websocket_gateway_plan", args=[gateway.pk])
            text: str = format_html(
                '{} <a href="{}">{}</a>', _("Saved here, not in AWS yet."), url, _("Show the plan")
            )
        else:
            text = _("Saved here, not in AWS yet. Run: %s") % _command(gateway)
        messages.warning(request, text)

    def show_finding(self, request: HttpRequest, gateway: ApiGateway, finding: CheckMessage) -> None:
        """Show what a check found; a difference with the link to the plan that removes it."""
        text = f"Gateway {gateway}: {finding.msg}"
        if finding.id not in _HAS_PLAN:
            messages.warning(request, f"{text} {finding.hint}")
            return
        url = reverse("admin:websocket_gateway_plan", args=[gateway.pk])
        messages.warning(request, format_html('{} <a href="{}">{}</a>', text, url, _("Show the plan")))

    def remember_drift(self, gateway: ApiGateway, found: int) -> None:
        """Keep the number of differences for the list."""
        cache.set(drift_key(gateway), found, _REMEMBERED_SECONDS)

    def forget_drift(self, gateway: ApiGateway) -> None:
        """Forget the last comparison: it is outdated."""
        cache.delete(drift_key(gateway))


def drift_key(gateway: ApiGateway) -> str:
    """The key in the cache under which the last comparison with AWS is kept for an hour."""
    # Not its primary key: another tenant's gateway may have the same.
    return f"websocket_gateway.drift.{gateway.uuid}"


def _options(given: QueryDict) -> _Options:
    return {"prune": given.get("prune") == "1", "import_changes": given.get("import_changes") == "1"}


def _command(gateway: ApiGateway, *, prune: bool = False, import_changes: bool = False) -> str:
    words = ["sync_routes" if gateway.api_created or prune or import_changes else "create_gateway"]
    words += [shlex.quote(gateway.api_name), *["--prune"] * prune, *["--import"] * import_changes]
    return f"manage.py {' '.join(words)}"
