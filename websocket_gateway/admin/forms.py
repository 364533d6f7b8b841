"""Form fields and forms of the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models
from websocket_gateway.admin.permission_fields import PermissionNamesField, PermissionSetsField
from websocket_gateway.admin.suggestions import ChannelInput
from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.frames import encode_json, parse_json
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH, validate_channel_name

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.utils.functional import _StrPromise

    _RuleForm = forms.ModelForm[models.ChannelPermission]
else:
    _RuleForm = forms.ModelForm


_KINDS = models.BroadcastRun.AudienceType


class MessageField(forms.CharField):
    """A message written as JSON. The value is the bytes to send."""

    widget = forms.Textarea(attrs={"rows": 6, "cols": 70, "spellcheck": "false", "class": "wsg-message"})
    default_error_messages = {"required": _("Write the message as JSON.")}

    def to_python(self, value: str | None) -> bytes:  # type: ignore[override]
        """Return the bytes to send. Raise `ValidationError` with the reason if it cannot be sent."""
        text = super().to_python(value)
        if not text:
            return b""
        try:
            return encode_json(parse_json(text))
        except ValueError as exc:  # `InvalidMessageError` is one
            raise ValidationError(str(exc), code="invalid") from exc

    def validate(self, value: object) -> None:
        """Accept any JSON document; refuse an empty text."""
        if not value:
            raise ValidationError(self.error_messages["required"], code="required")


class ChannelField(forms.CharField):
    """The name of a channel."""

    def __init__(self, *, required: bool = True, help_text: str | _StrPromise = "") -> None:
        super().__init__(
            max_length=CHANNEL_NAME_MAX_LENGTH,
            validators=[validate_channel_name],
            widget=ChannelInput(),
            label=_("Channel"),
            required=required,
            help_text=help_text,
        )


class AudienceArguments(TypedDict, total=False):
    """The keyword argument that selects the recipients of a broadcast; empty for everyone."""

    channel: str
    user: AbstractBaseUser


class BroadcastForm(forms.Form):
    """A message and its audience."""

    to = forms.ChoiceField(
        label=_("To"),
        choices=[(kind.value, kind.label) for kind in (_KINDS.CHANNEL, _KINDS.USER, _KINDS.EVERYONE)],
    )
    channel = ChannelField(required=False, help_text=_("For a message to a channel."))
    user = forms.CharField(
        label=_("User name"), max_length=255, required=False, help_text=_("For a message to a user.")
    )
    message = MessageField(label=_("Message"), help_text=_("As JSON."))

    def clean(self) -> dict[str, object]:
        """Require the channel or the user that the audience needs, and no other."""
        from websocket_gateway.sending.audience import find_user

        cleaned = super().clean() or self.cleaned_data
        to = cleaned.get("to")
        for name in ("channel", "user"):
            if to == name and not cleaned.get(name) and name not in self.errors:
                self.add_error(name, _("This field is required for this audience."))
            elif to is not None and to != name and cleaned.get(name):
                self.add_error(name, _("Leave this empty: the message is for \u201c%s\u201d.") % to)
        if to == "user" and not self.errors.get("user"):
            try:
                self._user = find_user(cleaned["user"].replace("\0", ""))
            except WebSocketGatewayError as exc:
                self.add_error("user", str(exc))
        return cleaned

    def audience(self) -> AudienceArguments:
        """Return the keyword arguments of `create_run`; none for everyone."""
        to = self.cleaned_data["to"]
        if to == "channel":
            return {"channel": self.cleaned_data["channel"]}
        return {"user": self._user} if to == "user" else {}

    def describe_audience(self) -> str:
        """Return the audience in words."""
        to = self.cleaned_data["to"]
        if to == "everyone":
            return str(_("everyone"))
        return f"{models.BroadcastRun.AudienceType(to).label} \u201c{self.cleaned_data[to]}\u201d"


class MessageForm(forms.Form):
    """The message to send."""

    message = MessageField(label=_("Message"), help_text=_('JSON, such as {"type": "notice"}.'))


class ChannelForm(forms.Form):
    """The channel, and whether to subscribe to it or to move to it."""

    channel = ChannelField()
    how = forms.ChoiceField(
        label=_("Change"),
        choices=[
            ("subscribe", _("Subscribe: add it to the channels of each session")),
            ("move", _("Move: make it the primary channel of each session")),
        ],
        initial="subscribe",
        widget=forms.RadioSelect,
    )


class ChannelPermissionForm(_RuleForm):
    """A rule for channels."""

    class Meta:
        widgets: ClassVar = {"channel_name": ChannelInput(attrs={"class": "vTextField"})}

    any_of = PermissionNamesField(
        label=_("At least one of these permissions"),
        help_text=_("One per line, such as chat.view_room. A user needs one of them."),
    )
    all_of = PermissionNamesField(
        label=_("All of these permissions"),
        help_text=_("One per line. A user needs all of them."),
    )
    alternatives = PermissionSetsField(
        label=_("One of these sets of permissions"),
        help_text=_(
            "One set per line, such as: chat.view_room and chat.add_message. A user needs all of one line. "
            "What is filled in above must hold, too."
        ),
    )

    def clean(self) -> dict[str, object]:
        """Refuse permissions for another audience, which would ignore them."""
        cleaned = super().clean() or self.cleaned_data
        access = models.ChannelPermission.Access
        given = cleaned.get("any_of") or cleaned.get("all_of") or cleaned.get("alternatives")
        if given and cleaned.get("audience") != access.PERMISSIONS:
            self.add_error(
                "audience",
                _("The permissions below are used only for \u201c%s\u201d.") % access.PERMISSIONS.label,
            )
        return cleaned
