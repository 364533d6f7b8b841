"""Channels with a history, and their messages. See `websocket_gateway.channels`."""

from __future__ import annotations

import secrets
import time

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from websocket_gateway.models.fields import CaseSensitiveCharField
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH

EPOCH_LENGTH = 12
MEMBER_MAX_LENGTH = 64


def new_epoch() -> str:
    """A random epoch: 12 characters of base64url, 72 bits."""
    return secrets.token_urlsafe(EPOCH_LENGTH * 3 // 4)


def new_generation() -> int:
    """The generation of a new member: milliseconds since 1970, so above those of a row that was deleted."""
    return time.time_ns() // 1_000_000


class Channel(models.Model):
    """The counter of a channel with a history. It outlives the messages that it has counted."""

    name = CaseSensitiveCharField(_("channel"), max_length=CHANNEL_NAME_MAX_LENGTH, unique=True)
    epoch = CaseSensitiveCharField(_("epoch"), max_length=EPOCH_LENGTH, default=new_epoch, editable=False)
    """Changes when the history is forgotten or restored: offsets of two epochs cannot be compared."""
    last_offset = models.BigIntegerField(_("last offset"), default=0, editable=False)
    """The offset of the latest message; 0 before the first one."""
    published_on = models.DateTimeField(_("last published"), null=True, editable=False, db_index=True)
    """To the minute."""
    created_on = models.DateTimeField(_("created on"), default=timezone.now, editable=False)
    swept_on = models.DateTimeField(null=True, editable=False)
    """When its members were last compared with the open connections."""
    counted_on = models.DateTimeField(null=True, editable=False)
    """When its connections were last sent the number of its members in place of their names."""

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")

    def __str__(self) -> str:
        return self.name


class ChannelMember(models.Model):
    """A member of a channel with presence, now or earlier: one row for all tabs and devices.

    Without foreign keys: joins and leaves wait for no other row.
    """

    channel_name = CaseSensitiveCharField(_("channel"), max_length=CHANNEL_NAME_MAX_LENGTH, editable=False)
    member = CaseSensitiveCharField(_("member"), max_length=MEMBER_MAX_LENGTH, editable=False)
    """`u:` and the key of a user, `s:` and that of a guest's connection, or what `presence_member` gave."""
    present = models.BooleanField(_("present"), default=True, editable=False)
    generation = models.BigIntegerField(default=new_generation, editable=False)
    """Grows with each join and leave, also of a row that was deleted meanwhile."""
    info = models.JSONField(_("information"), default=dict, blank=True, editable=False)
    """What the hook `presence_info` returned for others to see, at most 1 KB."""
    since = models.DateTimeField(_("present since"), default=timezone.now, editable=False)
    left_on = models.DateTimeField(_("left on"), null=True, editable=False)

    class Meta:
        verbose_name = _("channel member")
        verbose_name_plural = _("channel members")
        constraints = (
            models.UniqueConstraint(
                fields=("channel_name", "member"), name="websocket_gateway_unique_member"
            ),
        )
        indexes = (
            # The members of a channel are counted and paged along this index.
            models.Index(fields=["channel_name", "present", "id"], name="wsg_member_channel"),
            # The purge reads those who left long ago.
            models.Index(fields=["present", "left_on"], name="wsg_member_left"),
        )

    def __str__(self) -> str:
        return f"{self.channel_name}:{self.member}"


class ChannelMessage(models.Model):
    """A message of a channel with a history. It commits with the data that it is about.

    Without a foreign key to `Channel`: checking one would lock the counter until the publisher commits.
    """

    channel_name = CaseSensitiveCharField(_("channel"), max_length=CHANNEL_NAME_MAX_LENGTH, editable=False)
    offset = models.BigIntegerField(_("offset"), null=True, editable=False)
    """Its place in the channel, from 1 without gaps; None until it is numbered, after its commit."""
    body = models.BinaryField(_("message"), editable=False)
    """The message as JSON, without the reserved key `_ws`."""
    created_on = models.DateTimeField(_("published on"), default=timezone.now, editable=False, db_index=True)

    class Meta:
        verbose_name = _("channel message")
        verbose_name_plural = _("channel messages")
        constraints = (
            # The numbered messages of a channel are read along this index, and those without a number too.
            models.UniqueConstraint(
                fields=("channel_name", "offset"), name="websocket_gateway_unique_offset"
            ),
        )

    def __str__(self) -> str:
        return f"{self.channel_name}:{self.offset if self.offset is not None else '-'}"


class ChannelCursor(models.Model):
    """Up to which message a user has acknowledged a channel with `ACKS`, on all devices together.

    The foreign key has no constraint in the database: an acknowledgement waits for no change of the user.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="+",
        editable=False,
        verbose_name=_("user"),
    )
    channel_name = CaseSensitiveCharField(_("channel"), max_length=CHANNEL_NAME_MAX_LENGTH, editable=False)
    epoch = CaseSensitiveCharField(_("epoch"), max_length=EPOCH_LENGTH, editable=False)
    """Of another epoch than that of the channel, the row counts for nothing."""
    acked_offset = models.BigIntegerField(_("acknowledged up to"), editable=False)
    """The greatest acknowledged offset; everything before it counts as acknowledged too."""
    updated_on = models.DateTimeField(_("updated on"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("channel cursor")
        verbose_name_plural = _("channel cursors")
        constraints = (
            models.UniqueConstraint(fields=("user", "channel_name"), name="websocket_gateway_unique_cursor"),
        )

    def __str__(self) -> str:
        return f"{self.channel_name}:{self.acked_offset}"
