"""Admission: channel permissions, connect tokens, counters of attempts and of refusals."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from websocket_gateway.models.fields import SEALED_MAX_LENGTH, CaseSensitiveCharField
from websocket_gateway.validators import (
    CHANNEL_NAME_MAX_LENGTH,
    validate_permission_names,
    validate_permission_sets,
)


class ChannelPermission(models.Model):
    """A rule that decides which users may join a channel, or all channels with a prefix (`orders_*`)."""

    class Access(models.TextChoices):
        """The groups of users who may join a channel."""

        ANYONE = "anyone", _("everyone, including anonymous users")
        AUTHENTICATED = "authenticated", _("logged-in users")
        STAFF = "staff", _("staff users")
        SUPERUSER = "superuser", _("superusers")
        PERMISSIONS = "permissions", _("users with the permissions below")

    channel_name = CaseSensitiveCharField(
        _("channel"),
        max_length=CHANNEL_NAME_MAX_LENGTH,
        unique=True,
        help_text=_(
            "A channel name, or a prefix followed by *. "
            "An exact name takes precedence over a prefix, and a longer prefix over a shorter one."
        ),
    )
    audience = models.CharField(
        _("allowed users"), max_length=16, choices=Access.choices, default=Access.AUTHENTICATED
    )
    any_of = models.JSONField(
        _("at least one of these permissions"),
        default=list,
        blank=True,
        validators=[validate_permission_names],
    )
    all_of = models.JSONField(
        _("all of these permissions"), default=list, blank=True, validators=[validate_permission_names]
    )
    alternatives = models.JSONField(
        _("one of these sets of permissions"),
        default=list,
        blank=True,
        validators=[validate_permission_sets],
        help_text=_("A list of lists: the user needs all permissions of one of them."),
    )
    description = models.CharField(_("description"), max_length=255, blank=True, default="", db_default="")
    created_on = models.DateTimeField(_("created"), auto_now_add=True)
    updated_on = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("channel permission")
        verbose_name_plural = _("channel permissions")
        ordering = ("channel_name",)

    def __str__(self) -> str:
        return self.channel_name


class WebSocketTokenQuerySet(models.QuerySet["WebSocketToken"]):
    """Queries for tokens by whether they can still be used."""

    def usable(self, now: datetime) -> WebSocketTokenQuerySet:
        """The tokens with which a connection can be opened."""
        return self.filter(used_on=None, expires_on__gt=now)

    def spent(self, now: datetime) -> WebSocketTokenQuerySet:
        """The tokens that are used or expired: all others."""
        return self.filter(models.Q(expires_on__lte=now) | models.Q(used_on__isnull=False))


class WebSocketToken(models.Model):
    """A single-use connect token. Only hashes and an encrypted key are stored, which open no connection."""

    token_hash = CaseSensitiveCharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="websocket_tokens"
    )
    session_key_hash = CaseSensitiveCharField(max_length=64, blank=True, default="", editable=False)
    session_key_sealed = models.CharField(
        max_length=SEALED_MAX_LENGTH, blank=True, default="", db_default="", editable=False
    )
    """The key of that session, encrypted with `SECRET_KEY`; the row alone opens nothing."""
    session_auth_hash = CaseSensitiveCharField(max_length=64, blank=True, default="", editable=False)
    auth_backend = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    """Dotted path of the authentication backend that logged the user in; empty where it is not known."""
    created_on = models.DateTimeField(_("issued"), default=timezone.now)
    expires_on = models.DateTimeField(_("expires"), db_index=True)
    used_on = models.DateTimeField(_("used"), null=True, blank=True)

    objects = WebSocketTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("connect token")
        verbose_name_plural = _("connect tokens")

    def __str__(self) -> str:
        return f"token {self.pk}"

    def is_spent(self, now: datetime) -> bool:
        """Whether it is used or expired; see `WebSocketTokenQuerySet.spent`."""
        return self.used_on is not None or self.expires_on <= now


class ConnectionRateLimit(models.Model):
    """A counter of attempts: one row per key, incremented in one statement."""

    key = CaseSensitiveCharField(max_length=191, unique=True, editable=False)
    """The thing that is counted, such as `connect:user:7` or `connect:ip:192.0.2.1`."""
    window_start = models.DateTimeField(_("start of the window"), db_index=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)

    class Meta:
        verbose_name = _("rate limit counter")
        verbose_name_plural = _("rate limit counters")

    def __str__(self) -> str:
        return self.key


class RefusalCount(models.Model):
    """The number of refusals by one rule of the security log in one hour, of all processes together."""

    hour = models.DateTimeField(_("hour"), editable=False)
    """Its beginning."""
    rule = CaseSensitiveCharField(_("rule"), max_length=64, editable=False)
    """One of `security_log.EVENTS`, which is a closed set."""
    number = models.PositiveBigIntegerField(_("number"), default=0, editable=False)

    class Meta:
        verbose_name = _("count of refusals")
        verbose_name_plural = _("counts of refusals")
        constraints = (
            models.UniqueConstraint(fields=("hour", "rule"), name="websocket_gateway_unique_refusals"),
        )

    def __str__(self) -> str:
        return f"{self.rule}, {self.hour:%Y-%m-%d %H:%M}"
