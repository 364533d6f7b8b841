"""Read-mostly admins. What AWS answered cannot be edited; saving changes nothing in AWS, and says so."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models

PROVISION = "websocket_gateway.provision_apigateway"
_TOLD_THE_SECRET = ("target_base_endpoint",)


class AdditionalRouteInline(admin.TabularInline):  # type: ignore[type-arg]
    """Routes, edited where their gateway is; only by those who may change what AWS sends where."""

    model = models.ApiGatewayAdditionalRoute
    extra = 0
    readonly_fields = ("deployed",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A route's URL is told the origin secret, so adding one is provisioning."""
        return super().has_add_permission(request, obj) and request.user.has_perm(PROVISION)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for adding."""
        return super().has_change_permission(request, obj) and request.user.has_perm(PROVISION)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for adding."""
        return super().has_delete_permission(request, obj) and request.user.has_perm(PROVISION)


@admin.register(models.ApiGateway)
class ApiGatewayAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Gateways: what is wanted can be edited, what AWS answered can be read."""

    list_display = ("api_name", "stage_name", "target_base_endpoint", "api_created", "last_applied_on")
    search_fields = ("api_name", "api_id", "domain_name")
    inlines = (AdditionalRouteInline,)
    answered = (
        "uuid",
        "api_id",
        "api_endpoint",
        "api_gateway_domain_name",
        "api_mapping_id",
        "deployment_id",
        "api_created",
        "custom_domain_created",
        "last_applied_on",
        "last_error",
        "created_on",
        "updated_on",
    )
    fieldsets = (
        (None, {"fields": ("api_name", "target_base_endpoint", "default_channel_name", "two_way")}),
        (_("API"), {"fields": ("region_name", "api_description", "stage_name", "stage_description", "tags")}),
        (
            _("Custom domain"),
            {"fields": ("domain_name", "certificate_arn", "hosted_zone_id", "mapping_key")},
        ),
        (
            _("Selection expressions"),
            {"fields": ("route_selection_expression", "api_key_selection_expression")},
        ),
        (_("What AWS answered"), {"fields": answered}),
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: models.ApiGateway | None = None
    ) -> tuple[str, ...]:
        """AWS's answers always; the region once it is fixed; the target without the permission."""
        fixed = ("region_name",) if obj is not None and obj.api_id else ()
        guarded = () if obj is None or request.user.has_perm(PROVISION) else _TOLD_THE_SECRET
        return (*self.answered, *fixed, *guarded)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A new gateway names a target, so adding one is provisioning."""
        return super().has_add_permission(request) and request.user.has_perm(PROVISION)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A row whose API exists is the only way to that API: deleting it would leave an orphan.

        Hence one by one only: without an object the answer is no, which hides the bulk deletion.
        """
        return obj is not None and not obj.api_id and super().has_delete_permission(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Say that AWS knows nothing of it yet."""
        super().save_related(request, form, formsets, change)
        self.message_user(
            request,
            _("Saved here, not in AWS yet. Run: manage.py create_gateway %s") % form.instance.api_name,
            messages.WARNING,
        )


@admin.register(models.WebSocketSession)
class WebSocketSessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Connections; they come and go by themselves, so they can only be read."""

    list_display = ("connection_id", "user", "channel_name", "connected", "created_on", "last_seen_on")
    list_filter = ("connected",)
    list_select_related = ("user",)
    search_fields = ("connection_id__exact", "channel_name__exact", "user__username__exact")
    ordering = ("-pk",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only a real `$connect` makes a session."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only events change a session."""
        return False


class PermissionNamesField(forms.Field):
    """A list of permissions, edited as text: one a line."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 60})

    def prepare_value(self, value: Any) -> Any:
        """The text of the list; what was typed stays as it is."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        """The list, each once."""
        # PostgreSQL cannot even be asked for a NUL.
        return list(dict.fromkeys((value or "").replace("\0", " ").split()))

    def validate(self, value: list[str]) -> None:
        """Each must exist: a mistyped permission is one that nobody has."""
        super().validate(value)
        codenames = [name.partition(".")[2] for name in value]
        found = Permission.objects.filter(codename__in=codenames)
        known = {".".join(names) for names in found.values_list("content_type__app_label", "codename")}
        if unknown := [name for name in value if name not in known]:
            raise ValidationError(
                _("There is no such permission: %(names)s. Write app_label.codename, one a line."),
                code="unknown_permission",
                params={"names": ", ".join(unknown)},
            )


class ChannelPermissionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule for channels."""

    any_of = PermissionNamesField(
        label=_("any of these permissions"),
        required=False,
        help_text=_("One a line, such as chat.view_room. A user needs one of them."),
    )
    all_of = PermissionNamesField(
        label=_("all of these permissions"),
        required=False,
        help_text=_("One a line. A user needs every one of them."),
    )

    def clean(self) -> dict[str, Any] | None:
        """Permissions beside another audience would look as if they counted."""
        cleaned = super().clean() or self.cleaned_data
        audience = models.ChannelPermission.Audience
        given = cleaned.get("any_of") or cleaned.get("all_of")
        if given and cleaned.get("audience") != audience.PERMISSIONS:
            self.add_error(
                "audience",
                _("The permissions below count only for \u201c%s\u201d.") % audience.PERMISSIONS.label,
            )
        return cleaned


@admin.register(models.ChannelPermission)
class ChannelPermissionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Who may join which channels."""

    form = ChannelPermissionForm
    list_display = ("channel_name", "audience", "any_of", "all_of")
    list_filter = ("audience",)
    search_fields = ("channel_name",)


@admin.register(models.ConnectionRateLimit)
class ConnectionRateLimitAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Counters of attempts; deleting one lets its user or address in again at once."""

    list_display = ("key", "attempts", "window_start")
    search_fields = ("key",)
    ordering = ("-window_start",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only attempts are counted."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for adding."""
        return False
