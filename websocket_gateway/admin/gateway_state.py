"""What the admin says about a gateway: state, address for clients, open sessions, how to delete it."""

from __future__ import annotations

import shlex

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from websocket_gateway.admin.access import may_provision
from websocket_gateway.admin.live_figures import count_open_by_gateway
from websocket_gateway.admin.provisioning import ProvisioningPage, drift_key
from websocket_gateway.models import ApiGateway

_NONE = "\u2013"


class GatewayState(ProvisioningPage):
    """Part of `ApiGatewayAdmin`. A list of any length takes one query for the figures of all its rows."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Read the figures of all rows of the page at once."""
        page: ChangeList = super().get_changelist_instance(request)  # type: ignore[misc]
        counts = count_open_by_gateway()
        found = cache.get_many([drift_key(gateway) for gateway in page.result_list])
        for gateway in page.result_list:
            gateway.open_sessions = counts.get(gateway.pk, 0)
            gateway.known_drift = found.get(drift_key(gateway))
            gateway.offers_plan = may_provision(request)
        return page

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiGateway]:
        """With the routes, which the state needs."""
        rows: QuerySet[ApiGateway] = super().get_queryset(request)  # type: ignore[misc]
        return rows.prefetch_related("additional_routes")

    @admin.display(description=_("state"))
    def state(self, gateway: ApiGateway) -> str:
        """Return the state according to the row. The action `compare` queries AWS."""
        words, has_plan = _state_of(gateway)
        if not has_plan or not getattr(gateway, "offers_plan", False):
            return words
        url = reverse("admin:websocket_gateway_plan", args=[gateway.pk])
        return format_html('{} <a href="{}" class="wsg-aside">{}</a>', words, url, _("Show the plan"))

    @admin.display(description=_("address for clients"))
    def address(self, gateway: ApiGateway) -> str:
        """Return the URL that clients connect to, or the reason why there is none."""
        from websocket_gateway.connections.endpoints import find_socket_url, why_no_socket_url

        if gateway._state.adding or not (gateway.api_created or gateway.is_foreign):
            return _NONE
        url = find_socket_url(gateway)
        if not url:
            return why_no_socket_url(gateway)
        lines: list[str] = [format_html('<code class="wsg-address">{}</code>', url)]
        if gateway.domain_name and not gateway.custom_domain_created:
            lines.append(str(_("%s (not created)") % gateway.domain_name))
        return format_html_join(SafeString("<br>"), "{}", ((line,) for line in lines))

    @admin.display(description=_("open sessions"))
    def live_sessions(self, gateway: ApiGateway) -> str:
        """Return the number of open sessions, as a link to their list."""
        url = reverse("admin:websocket_gateway_websocketsession_changelist")
        count = getattr(gateway, "open_sessions", 0)
        return format_html('<a href="{}?gateway={}">{}</a>', url, gateway.pk, f"{count:,}")


def _state_of(gateway: ApiGateway) -> tuple[str, bool]:
    """The state in words, and whether a plan would change it."""
    if gateway.is_foreign:
        return str(_("belongs to another installation")), False
    if gateway.last_error:
        return str(_("failed: %s") % gateway.last_error), True
    if not gateway.api_created:
        return str(_("not created yet")), True
    deployed = gateway.deployment_id and all(route.deployed for route in gateway.additional_routes.all())
    if not deployed or gateway.has_unapplied_changes:
        return str(_("changes not in AWS")), True
    drift = getattr(gateway, "known_drift", None)
    if drift is None:
        return str(_("created")), False
    if not drift:
        return str(_("as it should be")), False
    return str(ngettext("%d difference", "%d differences", drift) % drift), True


def how_to_delete(gateway: ApiGateway) -> dict[str, object] | None:
    """Why the page of a gateway has no button to delete it, and the command that does; None if it has one."""
    if not gateway.api_id:
        return None
    command = f"manage.py delete_gateway {shlex.quote(gateway.api_name)}"
    if gateway.is_foreign:
        why = _("It belongs to another installation. To remove it here, and nothing in AWS, run:")
        return {"why": why, "command": f"{command} --forget"}
    why = _("Its API exists in AWS, and this row is the only way to it. To delete both, run:")
    return {"why": why, "command": command}
