"""Gateways: edit what is wanted, read what AWS answered, and open the plan for AWS."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models
from websocket_gateway.admin.access import PROVISION, may_provision, record
from websocket_gateway.admin.additional_routes import AdditionalRouteInline
from websocket_gateway.admin.gateway_state import GatewayState, how_to_delete
from websocket_gateway.admin.reporting import in_lines
from websocket_gateway.admin.suggestions import ChannelInput
from websocket_gateway.checks.messages import is_finding
from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.models.gateways import DOMAIN_ADDRESS_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin.options import _FieldsetSpec
    from django.forms import Form, ModelForm
    from django.forms.formsets import BaseFormSet

_RECEIVES_SECRET = ("target_base_endpoint",)
_ONLY_HERE = frozenset({"default_channel_name"})
"""Fields that nothing in AWS depends on."""
_Gateways: TypeAlias = "QuerySet[models.ApiGateway]"
_Form: TypeAlias = "ModelForm[models.ApiGateway]"


@admin.register(models.ApiGateway)
class ApiGatewayAdmin(GatewayState, admin.ModelAdmin):  # type: ignore[type-arg]
    """Saving changes nothing in AWS, and says so; the page of the plan does."""

    list_display = ("api_name", "state", "address", "live_sessions", "last_applied_on")
    search_fields = ("api_name", "api_id", "domain_name")
    actions = ("create_or_sync", "import_from_aws", "create_custom_domain", "compare")
    inlines = (AdditionalRouteInline,)
    answered = (
        "uuid",
        "api_id",
        "api_endpoint",
        "api_gateway_domain_name",
        "api_mapping_id",
        "deployment_id",
        "deployed_stage",
        "deployed_address",
        "default_endpoint_disabled",
        "api_created",
        "custom_domain_created",
        "last_applied_on",
        "last_error",
        "installation",
        "created_on",
        "updated_on",
    )
    fieldsets = (
        (
            None,
            {"fields": ("api_name", "address", "target_base_endpoint", "default_channel_name", "two_way")},
        ),
        (_("API"), {"fields": ("region_name", "api_description", "stage_name", "stage_description", "tags")}),
        (
            _("Custom domain"),
            {"fields": ("domain_name", "certificate_arn", "hosted_zone_id", "mapping_key")},
        ),
        (
            _("Selection expressions"),
            {"fields": ("route_selection_expression", "api_key_selection_expression")},
        ),
        (_("Values from AWS"), {"fields": answered}),
    )

    @admin.action(permissions=["provision"], description=_("Create in AWS, or sync: show the plan\u2026"))
    def create_or_sync(self, request: HttpRequest, queryset: _Gateways) -> HttpResponse | None:
        """Redirect to the plan of the selected gateway."""
        gateway = self._only(request, queryset)
        return None if gateway is None else redirect("admin:websocket_gateway_plan", gateway.pk)

    @admin.action(permissions=["provision"], description=_("Import from AWS: show the plan\u2026"))
    def import_from_aws(self, request: HttpRequest, queryset: _Gateways) -> HttpResponse | None:
        """Redirect to the plan that takes into the row what was changed in AWS."""
        gateway = self._only(request, queryset)
        if gateway is None:
            return None
        if not gateway.api_id:
            messages.warning(
                request,
                _("It has no API yet. To take over one: manage.py create_gateway %s --adopt API_ID")
                % shlex.quote(gateway.api_name),
            )
            return redirect("admin:websocket_gateway_apigateway_change", gateway.pk)
        return redirect(reverse("admin:websocket_gateway_plan", args=[gateway.pk]) + "?import_changes=1")

    @admin.action(permissions=["provision"], description=_("Create the custom domain: show the plan\u2026"))
    def create_custom_domain(self, request: HttpRequest, queryset: _Gateways) -> HttpResponse | None:
        """Lead to the plan, which holds the domain, if there is one to create."""
        gateway = self._only(request, queryset)
        if gateway is None:
            return None
        if not gateway.domain_name:
            messages.warning(request, _("Fill in the custom domain and its certificate first, and save."))
            return redirect("admin:websocket_gateway_apigateway_change", gateway.pk)
        return redirect("admin:websocket_gateway_plan", gateway.pk)

    @admin.action(permissions=["provision"], description=_("Check: compare with AWS, change nothing"))
    def compare(self, request: HttpRequest, queryset: _Gateways) -> None:
        """Compare each gateway with AWS, and show the differences."""
        from websocket_gateway.diagnostics.aws import probe_plan, probe_posting

        for gateway in queryset[:20]:
            findings: list[CheckMessage] = []
            try:
                for probe in (probe_plan, probe_posting) if gateway.api_created else (probe_plan,):
                    findings += filter(is_finding, probe(gateway))
            except (WebSocketGatewayError, ImproperlyConfigured) as exc:
                messages.error(request, f"Gateway {gateway}: {exc}")
                continue
            record(self, request, gateway, "Compared with AWS")
            self.remember_drift(gateway, len(findings))
            for finding in findings:
                self.show_finding(request, gateway, finding)
            if not findings:
                messages.success(request, _("Gateway %s is in AWS as it should be.") % gateway)

    def _only(self, request: HttpRequest, queryset: _Gateways) -> models.ApiGateway | None:
        rows = list(queryset[:2])
        if len(rows) != 1:
            messages.warning(request, _("Choose one gateway: each has a plan of its own."))
            return None
        return rows[0]

    @admin.display(description=_("tags"))
    def tags_in_words(self, gateway: models.ApiGateway) -> str:
        """Return the tags, for users who cannot edit them."""
        return in_lines(gateway.tags)

    def get_fieldsets(self, request: HttpRequest, obj: models.ApiGateway | None = None) -> _FieldsetSpec:
        """Show the tags in words to users who cannot edit them."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [
            (title, {"fields": ["tags_in_words" if name == "tags" else name for name in options["fields"]]})
            for title, options in self.fieldsets
        ]

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Suggest known channels."""
        if db_field.name == "default_channel_name":
            kwargs["widget"] = ChannelInput(attrs={"class": "vTextField"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        """The page of the plan beside the others."""
        return [*self.plan_urls(), *super().get_urls()]

    def get_readonly_fields(
        self, request: HttpRequest, obj: models.ApiGateway | None = None
    ) -> tuple[str, ...]:
        """AWS's answers always; the region once it is fixed; the target without the permission."""
        fixed = ("region_name",) if obj is not None and obj.api_id else ()
        guarded = () if obj is None or request.user.has_perm(PROVISION) else _RECEIVES_SECRET
        return ("address", "tags_in_words", *self.answered, *fixed, *guarded)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Offer the plan to users who may apply it, and say how to delete a gateway that exists in AWS."""
        gateway = self.get_object(request, unquote(object_id))
        offered = {
            "may_provision": may_provision(request),
            "how_to_delete": None if gateway is None else how_to_delete(gateway),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, offered)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A new gateway names a target, so adding one is provisioning."""
        return super().has_add_permission(request) and request.user.has_perm(PROVISION)

    def has_delete_permission(self, request: HttpRequest, obj: models.ApiGateway | None = None) -> bool:
        """A row whose API exists is the only way to that API: deleting it would leave an orphan.

        Hence one by one only: without an object the answer is no, which hides the bulk deletion.
        """
        return obj is not None and not obj.api_id and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: models.ApiGateway, form: _Form, change: bool) -> None:
        """Save the row; clients keep the address that works until another domain does."""
        changed = set(form.changed_data)
        if change and changed <= _ONLY_HERE:
            obj.save(update_fields=changed)  # without its time: AWS still has everything
            return
        if DOMAIN_ADDRESS_FIELDS.intersection(changed):
            obj.custom_domain_created = False
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: _Form, formsets: Iterable[BaseFormSet[Form]], change: bool
    ) -> None:
        """Say that nothing has changed in AWS yet, and link to the plan."""
        super().save_related(request, form, formsets, change)
        gateway = form.instance
        routes_changed = any(formset.has_changed() for formset in formsets)
        if routes_changed:
            gateway.save(update_fields=["updated_on"])
        if routes_changed or not change or not set(form.changed_data) <= _ONLY_HERE:
            self.forget_drift(gateway)
            self.show_next_step(request, gateway)
