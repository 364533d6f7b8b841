"""Sessions, and the channels that they are in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from websocket_gateway.inboxes import refuse_foreign_inbox
from websocket_gateway.models.channels import MEMBER_MAX_LENGTH
from websocket_gateway.models.fields import SEALED_MAX_LENGTH, CaseSensitiveCharField
from websocket_gateway.models.gateways import ApiGateway
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from websocket_gateway.sending import DeliveryReport, SendArguments


channels_changed = Signal()
"""Connections have joined or left channels. For `sending.memberships`, which tells projects and clients."""


def announce_move(
    sessions: Sequence[WebSocketSession],
    *,
    joined: Collection[str] = (),
    left: Collection[str] | None = (),
    repeated: bool = False,
) -> None:
    """Tell what follows from connections that joined or left channels; `left=None`: all that they were in.

    `repeated` says that they were in the channels already.
    """
    channels_changed.send(
        sender=WebSocketSession, sessions=sessions, joined=joined, left=left, repeated=repeated
    )


class WebSocketSessionQuerySet(models.QuerySet["WebSocketSession"]):
    """Queries for sessions, and sending to them."""

    whole_channel: str | None = None
    """The channel whose sessions these all are; a query that is derived from this one does not have it."""

    def connected(self) -> WebSocketSessionQuerySet:
        """The sessions whose socket is open, as far as is known."""
        return self.filter(connected=True)

    def in_channel(self, channel_name: str) -> WebSocketSessionQuerySet:
        """The sessions in a channel, as their primary one or by subscription; no session is in `""`."""
        if not channel_name:
            return self.none()
        subscribed = ChannelSubscription.objects.filter(channel_name=channel_name).values("session_id")
        found = self.filter(models.Q(channel_name=channel_name) | models.Q(pk__in=subscribed))
        query = self.query
        narrowed = query.where or query.annotations or query.extra_tables or query.distinct_fields
        database = self._db  # type: ignore[attr-defined]  # as Django's documentation of managers uses it
        if self.model is WebSocketSession and database is None and not narrowed:
            found.whole_channel = channel_name
        return found

    def send_message(self, message: object, **arguments: Unpack[SendArguments]) -> DeliveryReport:
        """Send `message` to every connected session of this query; see `websocket_gateway.sending.send`."""
        from websocket_gateway.sending import send

        return send(message, to=self, **arguments)

    async def asend_message(self, message: object, **arguments: Unpack[SendArguments]) -> DeliveryReport:
        """`send_message`, from `async def`."""
        from websocket_gateway.sending import asend

        return await asend(message, to=self, **arguments)


class WebSocketSession(models.Model):
    """One connection. Its row stays after the socket closed."""

    connection_id = CaseSensitiveCharField(_("connection ID"), max_length=255, unique=True)
    channel_name = CaseSensitiveCharField(
        _("primary channel"), max_length=CHANNEL_NAME_MAX_LENGTH, blank=True, default=""
    )
    """Empty for none."""
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="websocket_sessions",
        db_index=False,
        verbose_name=_("user"),
    )
    api_gateway = models.ForeignKey(
        ApiGateway,
        on_delete=models.CASCADE,
        related_name="websocket_sessions",
        db_index=False,
        verbose_name=_("API gateway"),
    )
    connected = models.BooleanField(_("connected"), default=True)
    session_key_hash = CaseSensitiveCharField(max_length=64, blank=True, default="", editable=False)
    """SHA-256 of the Django session that opened the socket; a logout ends the sockets of that session."""
    session_auth_hash = CaseSensitiveCharField(max_length=64, blank=True, default="", editable=False)
    """SHA-256 of the user's session-auth hash at `$connect`; it differs once the password has changed."""
    # `db_default`: workers of the release before go on inserting rows while the new one is deployed.
    session_key_sealed = models.CharField(
        max_length=SEALED_MAX_LENGTH, blank=True, default="", db_default="", editable=False
    )
    """The key of that session, encrypted with `SECRET_KEY`, with which the session engine can be asked."""
    auth_backend = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    """Dotted path of the authentication backend that logged the user in; empty where it is not known."""
    stage_name = models.CharField(
        _("stage"), max_length=128, blank=True, default="", db_default="", editable=False
    )
    """The stage that holds the socket; empty where API Gateway did not say it: the deployed one."""
    created_on = models.DateTimeField(_("connected at"), default=timezone.now)
    last_seen_on = models.DateTimeField(_("last seen"), default=timezone.now)
    disconnected_on = models.DateTimeField(_("disconnected at"), null=True, blank=True)
    attempt_window_seconds = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    """Length of the window in which the attempt of this connection counts; 0 where it is not given back."""
    recent_messages = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    """Messages since `last_seen_on`, as far as processes have reported them."""

    presence_member = CaseSensitiveCharField(
        max_length=MEMBER_MAX_LENGTH, blank=True, default="", db_default="", editable=False
    )
    """Who it is in channels with presence; empty until it joins one."""

    objects = WebSocketSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("WebSocket session")
        verbose_name_plural = _("WebSocket sessions")
        indexes = (
            # A broadcast pages through a channel in primary-key order.
            models.Index(fields=["channel_name", "connected", "id"], name="wsg_session_channel"),
            # "The open sessions of this user" and, for each gateway, "the number of open sessions".
            models.Index(fields=["user", "connected", "id"], name="wsg_session_user"),
            models.Index(fields=["api_gateway", "connected", "id"], name="wsg_session_gateway"),
            # The purge reads the oldest open sessions, and those that ended long ago.
            models.Index(fields=["connected", "created_on"], name="wsg_session_age"),
            models.Index(fields=["connected", "disconnected_on"], name="wsg_session_ended"),
            # "Is another connection of this member open?"
            models.Index(fields=["presence_member", "connected"], name="wsg_session_member"),
        )
        permissions = (
            ("send_websocketsession", "Can send messages to WebSocket sessions"),
            ("disconnect_websocketsession", "Can disconnect WebSocket sessions"),
        )

    def __str__(self) -> str:
        return self.connection_id

    def send_message(self, message: object, **arguments: Unpack[SendArguments]) -> DeliveryReport:
        """Send `message` to this connection; see `websocket_gateway.sending.send`."""
        from websocket_gateway.sending import send

        return send(message, to=self, **arguments)

    async def asend_message(self, message: object, **arguments: Unpack[SendArguments]) -> DeliveryReport:
        """`send_message`, from `async def`."""
        from websocket_gateway.sending import asend

        return await asend(message, to=self, **arguments)

    def subscribe(self, channel_name: str) -> bool:
        """Join a further channel; False if the session was in it already.

        Raises `PermissionDenied` for the inbox of another user.
        """
        refuse_foreign_inbox(channel_name, self.user_id)
        if channel_name == self.channel_name:
            return False
        created = ChannelSubscription.objects.get_or_create(session=self, channel_name=channel_name)[1]
        announce_move([self], joined=[channel_name], repeated=not created)
        return created

    def move_to(self, channel_name: str) -> bool:
        """Make a channel the primary one; False if it was already.

        A subscription to it ends: what a session is subscribed to, it is in besides its primary channel.
        Raises `PermissionDenied` for the inbox of another user.
        """
        refuse_foreign_inbox(channel_name, self.user_id)
        if channel_name == self.channel_name:
            return False
        before, self.channel_name = self.channel_name, channel_name
        self.save(update_fields=["channel_name"])
        was_in = ChannelSubscription.objects.filter(session=self, channel_name=channel_name).delete()[0]
        if channel_name:
            announce_move([self], joined=[channel_name], repeated=bool(was_in))
        if before:
            announce_move([self], left=[before])
        return True

    def unsubscribe(self, channel_name: str) -> bool:
        """Leave a channel, the primary one included; False if the session was not in it."""
        left = ChannelSubscription.objects.filter(session=self, channel_name=channel_name).delete()[0]
        if channel_name and channel_name == self.channel_name:
            self.channel_name = ""
            self.save(update_fields=["channel_name"])
            left = 1
        if left:
            announce_move([self], left=[channel_name])
        return bool(left)


class ChannelSubscription(models.Model):
    """A channel that a session is in besides its primary one."""

    session = models.ForeignKey(
        WebSocketSession, on_delete=models.CASCADE, related_name="subscriptions", db_index=False
    )
    channel_name = CaseSensitiveCharField(_("channel"), max_length=CHANNEL_NAME_MAX_LENGTH)
    created_on = models.DateTimeField(_("subscribed at"), default=timezone.now)

    class Meta:
        verbose_name = _("channel subscription")
        verbose_name_plural = _("channel subscriptions")
        constraints = (
            models.UniqueConstraint(
                fields=("session", "channel_name"), name="websocket_gateway_unique_subscription"
            ),
        )
        indexes = (models.Index(fields=["channel_name", "session"], name="wsg_subscription_channel"),)

    def __str__(self) -> str:
        return self.channel_name


class HandledMessage(models.Model):
    """One message of one client, by its hash. A second INSERT of the same message fails."""

    key = CaseSensitiveCharField(max_length=64, unique=True, editable=False)
    """SHA-256 over user, `_ws.client` and `_ws.id`."""
    created_on = models.DateTimeField(_("handled at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("handled message")
        verbose_name_plural = _("handled messages")

    def __str__(self) -> str:
        return f"message {self.pk}"
