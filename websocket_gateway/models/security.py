"""Admission: channel permissions, connect tokens, counters of attempts."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from websocket_gateway.models.fields import CaseSensitiveCharField
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH, validate_permission_names


class ChannelPermission(models.Model):
    """A rule that decides which users may join a channel, or all channels with a prefix (`orders_*`)."""

    class Audience(models.TextChoices):
        """The groups of users that a channel can be open to."""

        ANYONE = "anyone", _("anyone, logged in or not")
        AUTHENTICATED = "authenticated", _("logged-in users")
        STAFF = "staff", _("staff")
        SUPERUSER = "superuser", _("superusers")
        PERMISSIONS = "permissions", _("users with the permissions below")

    channel_name = CaseSensitiveCharField(
        _("channel"),
        max_length=CHANNEL_NAME_MAX_LENGTH,
        unique=True,
        help_text=_("A name, or a prefix followed by *. The exact name wins, then the longest prefix."),
    )
    audience = models.CharField(
        _("open to"), max_length=16, choices=Audience.choices, default=Audience.AUTHENTICATED
    )
    any_of = models.JSONField(
        _("any of these permissions"), default=list, blank=True, validators=[validate_permission_names]
    )
    all_of = models.JSONField(
        _("all of these permissions"), default=list, blank=True, validators=[validate_permission_names]
    )
    created_on = models.DateTimeField(_("created"), auto_now_add=True)
    updated_on = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("channel permission")
        verbose_name_plural = _("channel permissions")
        ordering = ("channel_name",)

    def __str__(self) -> str:
        return self.channel_name


class WebSocketToken(models.Model):
    """A single-use connect token. Only hashes are stored, with which no connection can be opened."""

    token_hash = CaseSensitiveCharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="websocket_tokens"
    )
    session_key_hash = CaseSensitiveCharField(max_length=64, blank=True, default="", editable=False)
    session_auth_hash = CaseSensitiveCharField(max_length=64, blank=True, default="", editable=False)
    auth_backend = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    """Dotted path of the authentication backend that logged the user in; empty where it is not known."""
    created_on = models.DateTimeField(_("issued"), default=timezone.now)
    expires_on = models.DateTimeField(_("expires"), db_index=True)
    used_on = models.DateTimeField(_("used"), null=True, blank=True)

    class Meta:
        verbose_name = _("connect token")
        verbose_name_plural = _("connect tokens")

    def __str__(self) -> str:
        return f"token {self.pk}"


class ConnectionRateLimit(models.Model):
    """A counter of attempts: one row per key, incremented in one statement."""

    key = CaseSensitiveCharField(max_length=191, unique=True, editable=False)
    """The thing that is counted, such as `connect:user:7` or `connect:ip:192.0.2.1`."""
    window_start = models.DateTimeField(_("window began"), db_index=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)

    class Meta:
        verbose_name = _("rate limit")
        verbose_name_plural = _("rate limits")

    def __str__(self) -> str:
        return self.key
