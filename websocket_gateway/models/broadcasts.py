"""Broadcasts: those that several tasks send, with the progress of each part, and records of all others."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from websocket_gateway.models.fields import CaseSensitiveCharField
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH


class BroadcastRun(models.Model):
    """One message to one audience. Its state lives here and in its shards, never in a queue.

    A broadcast that was sent without shards has a row only as a record, if `ACTIVITY_RETENTION_DAYS` is set:
    without its message, and with the figures that shards have for other broadcasts.
    """

    class AudienceType(models.TextChoices):
        """The types of audience that a broadcast can have."""

        CHANNEL = "channel", _("channel")
        USER = "user", _("user")
        EVERYONE = "everyone", _("everyone")
        CONNECTIONS = "connections", _("some connections")
        QUERY = "query", _("a selection of sessions")

    class Origin(models.TextChoices):
        """Where broadcasts are started."""

        ADMIN = "admin", _("admin")
        COMMAND = "command", _("command")
        CODE = "code", _("code")

    class State(models.TextChoices):
        """The states of a broadcast."""

        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        CANCELLED = "cancelled", _("cancelled")

    message = models.BinaryField(_("message"))
    """The bytes that are sent; empty in a record."""
    audience = models.CharField(_("audience"), max_length=16, choices=AudienceType.choices)
    channel_name = CaseSensitiveCharField(
        _("channel"), max_length=CHANNEL_NAME_MAX_LENGTH, blank=True, default=""
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="websocket_broadcasts",
        verbose_name=_("user"),
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="started_websocket_broadcasts",
        verbose_name=_("started by"),
    )
    # `db_default`: workers of the release before go on inserting rows while the new one is deployed.
    origin = models.CharField(
        _("started in"), max_length=16, choices=Origin.choices, blank=True, default="", db_default=""
    )
    """Empty where it is not known."""
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.RUNNING)
    max_per_second = models.FloatField(
        _("maximum messages per second"),
        default=0,
        help_text=_("For the whole broadcast. 0 means no limit."),
    )
    recipients = models.PositiveBigIntegerField(_("recipients"), default=0)
    """The number of recipients: at the start, at most; in a record, of those that were sent to."""
    delivered = models.PositiveBigIntegerField(_("delivered"), null=True, blank=True, editable=False)
    """The figures of a record; None for a broadcast whose shards have them."""
    gone = models.PositiveBigIntegerField(_("gone"), null=True, blank=True, editable=False)
    failed = models.PositiveBigIntegerField(_("failed"), null=True, blank=True, editable=False)
    reasons = models.JSONField(_("reasons of failures"), null=True, blank=True, editable=False)
    created_on = models.DateTimeField(_("started"), default=timezone.now, db_index=True)
    finished_on = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("broadcast")
        verbose_name_plural = _("broadcasts")
        indexes = (
            models.Index(fields=["state", "id"], name="wsg_run_state"),
            # The admin lists the broadcasts of one origin, or of one channel.
            models.Index(fields=["origin", "id"], name="wsg_run_origin"),
            models.Index(fields=["channel_name", "id"], name="wsg_run_channel"),
        )

    def __str__(self) -> str:
        return f"broadcast {self.pk}"


class BroadcastShard(models.Model):
    """A range of session primary keys of a broadcast; the holder of its lease sends to it, page by page."""

    run = models.ForeignKey(BroadcastRun, on_delete=models.CASCADE, related_name="shards", db_index=False)
    first_pk = models.BigIntegerField()
    last_pk = models.BigIntegerField()
    """The range's ends, both inclusive."""
    position = models.BigIntegerField()
    """The last primary key whose page was confirmed; one below `first_pk` at the beginning."""
    unsettled = models.JSONField(default=list, blank=True)
    """Primary keys up to `position` whose outcome was not known yet when it was confirmed."""
    fence = models.PositiveBigIntegerField(default=0)
    """Incremented whenever the lease is taken: only the newest holder can confirm a page."""
    lease_holder = models.CharField(max_length=255, blank=True, default="")
    lease_expires_on = models.DateTimeField(null=True, blank=True)
    delivered = models.PositiveBigIntegerField(default=0)
    gone = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    retried = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    reasons = models.JSONField(default=dict, blank=True)
    finished_on = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("broadcast shard")
        verbose_name_plural = _("broadcast shards")
        constraints = (
            models.UniqueConstraint(fields=("run", "first_pk"), name="websocket_gateway_unique_shard"),
        )
        indexes = (
            # A worker looks for an unfinished shard whose lease has expired.
            models.Index(fields=["finished_on", "lease_expires_on"], name="wsg_shard_lease"),
        )

    def __str__(self) -> str:
        return f"shard {self.pk} of broadcast {self.run_id}"
