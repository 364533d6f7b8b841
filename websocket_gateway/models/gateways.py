"""Gateways and their additional routes: the wanted configuration, and the ids that AWS assigned."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from websocket_gateway import validators
from websocket_gateway.models.fields import CaseSensitiveCharField
from websocket_gateway.origin_secret import accepted_generations, is_foreign_installation

_CHANGED_BY_HOLDERS = frozenset(
    {
        *("lease_holder", "lease_expires_on", "secret_generation", "secret_rotating"),
        *("deployed_stage", "deployed_address", "maps_stage", "default_endpoint_disabled"),
    }
)
"""Fields that only the holder of the lease changes."""
DOMAIN_ADDRESS_FIELDS = frozenset({"domain_name", "mapping_key"})
"""What the address on a custom domain is made of."""


class ApiGateway(models.Model):
    """One WebSocket API in AWS. Saving the row changes nothing there; `create_gateway` does."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    """The tag that identifies our resources in AWS."""
    api_name = CaseSensitiveCharField(
        _("name"), max_length=128, unique=True, validators=[validators.validate_gateway_name]
    )
    region_name = models.CharField(
        _("region"),
        max_length=32,
        blank=True,
        help_text=_(
            "If blank, AWS_GATEWAY_REGION_NAME is used. Cannot be changed once the gateway exists in AWS."
        ),
    )
    api_description = models.CharField(_("description"), max_length=1024, blank=True)
    default_channel_name = CaseSensitiveCharField(
        _("default channel"),
        max_length=validators.CHANNEL_NAME_MAX_LENGTH,
        blank=True,
        help_text=_("Channel for connections that do not specify one."),
    )
    domain_name = models.CharField(_("custom domain"), max_length=255, blank=True)
    target_base_endpoint = models.CharField(
        _("target URL"),
        max_length=2000,
        validators=[validators.validate_http_url],
        help_text=_(
            "URL of the WebSocketView without its last path segment, such as https://www.example.com/ws/."
        ),
    )
    certificate_arn = models.CharField(_("certificate ARN"), max_length=512, blank=True)
    hosted_zone_id = models.CharField(_("hosted zone ID"), max_length=64, blank=True)
    mapping_key = models.CharField(
        _("API mapping key"), max_length=300, blank=True, validators=[validators.validate_mapping_key]
    )
    api_key_selection_expression = models.CharField(
        _("API key selection expression"), max_length=255, default="$request.header.x-api-key"
    )
    route_selection_expression = models.CharField(
        _("route selection expression"), max_length=255, default="$request.body.action"
    )
    stage_name = models.CharField(
        _("stage"), max_length=128, default="production", validators=[validators.validate_stage_name]
    )
    stage_description = models.CharField(_("stage description"), max_length=1024, blank=True)
    tags = models.JSONField(_("tags"), default=dict, blank=True, validators=[validators.validate_tags])
    two_way = models.BooleanField(
        _("two-way"),
        default=True,
        help_text=_("Send the return values of handlers of $default to the client."),
    )

    api_id = CaseSensitiveCharField(_("API ID"), max_length=64, blank=True, editable=False, db_index=True)
    api_endpoint = models.CharField(_("API endpoint"), max_length=512, blank=True, editable=False)
    api_gateway_domain_name = models.CharField(
        _("target domain name"), max_length=512, blank=True, editable=False
    )
    api_mapping_id = CaseSensitiveCharField(_("API mapping ID"), max_length=64, blank=True, editable=False)
    deployment_id = CaseSensitiveCharField(_("deployment ID"), max_length=64, blank=True, editable=False)
    api_created = models.BooleanField(_("API created"), default=False, editable=False)
    custom_domain_created = models.BooleanField(_("custom domain created"), default=False, editable=False)
    last_applied_on = models.DateTimeField(_("last applied"), null=True, blank=True, editable=False)
    last_error = models.TextField(_("last error"), blank=True, editable=False)
    lease_holder = models.CharField(_("lease holder"), max_length=255, blank=True, editable=False)
    """`host:pid:nonce` of the process that is changing this gateway in AWS right now."""
    lease_expires_on = models.DateTimeField(_("lease expires"), null=True, blank=True, editable=False)
    imported_on = models.DateTimeField(_("imported"), null=True, blank=True, editable=False)
    """When `import_legacy_gateways` imported it. Until it is applied, its old secret is accepted too."""
    installation = models.CharField(
        _("installation"), max_length=32, blank=True, default="", db_default="", editable=False
    )
    """The fingerprint of the installation that applied it. Empty: it was never applied."""
    secret_generation = models.PositiveIntegerField(
        _("generation of the origin secret"), default=0, db_default=0, editable=False
    )
    secret_rotating = models.BooleanField(
        _("origin secret is being rotated"), default=False, db_default=False, editable=False
    )
    """Until the new origin secret is deployed, the one of the generation before is accepted too."""
    # `db_default`: workers of the release before go on inserting rows while the new one is deployed.
    deployed_stage = models.CharField(
        _("deployed stage"), max_length=128, blank=True, default="", db_default="", editable=False
    )
    """The stage that clients get the address of. It follows `stage_name` once that stage is deployed."""
    deployed_address = models.CharField(
        _("deployed address"), max_length=600, blank=True, default="", db_default="", editable=False
    )
    """Custom domain and path that lead to this gateway in AWS, as `ws.example.com/chat`."""
    maps_stage = models.BooleanField(
        _("events say their stage"), default=False, db_default=False, editable=False
    )
    """Whether integrations that map `wsStage` are deployed. Until then a client could write that header."""
    default_endpoint_disabled = models.BooleanField(
        _("default endpoint disabled"), default=False, db_default=False, editable=False
    )
    """What AWS reported at the last sync. Then messages are sent by the custom domain."""
    created_on = models.DateTimeField(_("created"), auto_now_add=True)
    updated_on = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("API gateway")
        verbose_name_plural = _("API gateways")
        ordering = ("api_name",)
        permissions = (("provision_apigateway", "Can create and change gateways in AWS"),)

    def __str__(self) -> str:
        return self.api_name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row; the target URL gets its trailing slash.

        Lease, origin secret and what is deployed are not saved, unless `update_fields` names them: an
        instance that was loaded before they changed must not set them back.
        """
        if not self._state.adding and not args and not kwargs.keys() & {"force_insert", "update_fields"}:
            loaded = {field.name for field in self._meta.concrete_fields if not field.primary_key}
            kwargs["update_fields"] = loaded - _CHANGED_BY_HOLDERS - self.get_deferred_fields()
        if self.complete_target() and (names := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*names, "target_base_endpoint"}
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Refuse an invalid default channel; read an empty field of tags as no tags."""
        super().clean()
        if self.tags is None:
            self.tags = {}
        if self.default_channel_name:
            try:
                validators.validate_channel_name(self.default_channel_name)
            except ValidationError as exc:
                raise ValidationError({"default_channel_name": exc.messages}) from exc

    def complete_target(self) -> bool:
        """Add the trailing slash that the slugs `connect`, `disconnect` and `default` follow.

        Returns whether it was missing.
        """
        missing = bool(self.target_base_endpoint) and not self.target_base_endpoint.endswith("/")
        if missing:
            self.target_base_endpoint += "/"
        return missing

    @property
    def is_foreign(self) -> bool:
        """Whether another installation applied it, as in a copied database. Then it is not used here."""
        return is_foreign_installation(self.installation)

    @property
    def has_unapplied_changes(self) -> bool:
        """Whether the row, or one of its routes, was saved after it was last applied in AWS."""
        applied = self.last_applied_on
        saved = [self.updated_on, *(route.updated_on for route in self.additional_routes.all())]
        return applied is None or max(saved) > applied

    @property
    def live_stage(self) -> str:
        """The stage that clients connect to: the deployed one, which a change of the row alone leaves."""
        return self.deployed_stage or self.stage_name

    @property
    def domain_address(self) -> str:
        """Host and path of the custom domain that clients connect to; empty where they use the stage's own.

        While the row's domain is not created, that is the stage; if it is disabled, the domain of before.
        """
        if self.custom_domain_created and self.domain_name:
            return f"{self.domain_name}/{self.mapping_key}".rstrip("/")
        return self.deployed_address if self.default_endpoint_disabled else ""

    @property
    def had_domain(self) -> bool:
        """Whether a domain was made or mapped for this gateway at any time since it was last deleted."""
        return bool(self.custom_domain_created or self.api_gateway_domain_name)

    @property
    def accepted_generations(self) -> range:
        """The generations of the origin secret that events may carry."""
        return accepted_generations(self.secret_generation, rotating=self.secret_rotating)


class ApiGatewayAdditionalRoute(models.Model):
    """A route besides `$connect`, `$disconnect` and `$default`, with its own URL."""

    api_gateway = models.ForeignKey(
        ApiGateway, on_delete=models.CASCADE, related_name="additional_routes", verbose_name=_("API gateway")
    )
    name = models.CharField(_("name"), max_length=128)
    route_key = CaseSensitiveCharField(
        _("route key"), max_length=191, validators=[validators.validate_route_key]
    )
    integration_url = models.CharField(
        _("integration URL"), max_length=2000, validators=[validators.validate_http_url]
    )
    two_way = models.BooleanField(
        _("two-way"),
        default=True,
        help_text=_("Send the return values of the route's handlers to the client."),
    )
    deployed = models.BooleanField(_("deployed"), default=False, editable=False)
    created_on = models.DateTimeField(_("created"), auto_now_add=True)
    updated_on = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("additional route")
        verbose_name_plural = _("additional routes")
        ordering = ("route_key",)
        constraints = (
            models.UniqueConstraint(
                fields=("api_gateway", "route_key"), name="websocket_gateway_unique_route_key"
            ),
        )

    def __str__(self) -> str:
        return self.name or self.route_key
