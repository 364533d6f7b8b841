"""Form fields and forms that the admin's pages share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models
from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.frames import encode_json, parse_json
from websocket_gateway.sending.audience import find_user
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH, validate_channel_name


class MessageField(forms.CharField):
    """A message, written as JSON; its value is the bytes that go over the wire."""

    widget = forms.Textarea(attrs={"rows": 6, "cols": 70, "spellcheck": "false", "class": "wsg-message"})
    default_error_messages = {"required": _("Write the message as JSON.")}

    def to_python(self, value: Any) -> Any:
        """The frame; what can never be sent is refused with the reason."""
        text = super().to_python(value)
        if not text:
            return b""
        try:
            return encode_json(parse_json(text))
        except ValueError as exc:  # `InvalidMessageError` is one
            raise ValidationError(str(exc), code="invalid") from exc

    def validate(self, value: Any) -> None:
        """Anything that JSON can say is a message; nothing at all is none."""
        if not value:
            raise ValidationError(self.error_messages["required"], code="required")


class ChannelField(forms.CharField):
    """The name of a channel."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=CHANNEL_NAME_MAX_LENGTH,
            validators=[validate_channel_name],
            label=_("Channel"),
            **options,
        )


class BroadcastForm(forms.Form):
    """A message, and whom it is for."""

    to = forms.ChoiceField(label=_("To"), choices=models.BroadcastRun.Audience.choices)
    channel = ChannelField(required=False, help_text=_("Where it is for a channel."))
    user = forms.CharField(
        label=_("User name"), max_length=255, required=False, help_text=_("Where it is for a user.")
    )
    message = MessageField(label=_("Message"), help_text=_("As JSON."))

    def clean(self) -> dict[str, Any] | None:
        """Name the one it is for, and no other."""
        cleaned = super().clean() or self.cleaned_data
        to = cleaned.get("to")
        for name in ("channel", "user"):
            if to == name and not cleaned.get(name) and name not in self.errors:
                self.add_error(name, _("Say which one."))
            elif to is not None and to != name and cleaned.get(name):
                self.add_error(name, _("It would not count: this is for \u201c%s\u201d.") % to)
        if to == "user" and not self.errors.get("user"):
            try:
                self._user = find_user(cleaned["user"].replace("\0", ""))
            except WebSocketGatewayError as exc:
                self.add_error("user", str(exc))
        return cleaned

    def audience(self) -> dict[str, Any]:
        """As `find_audience` takes it."""
        to = self.cleaned_data["to"]
        if to == "channel":
            return {"channel": self.cleaned_data["channel"]}
        return {"user": self._user} if to == "user" else {"everyone": True}

    def in_words(self) -> str:
        """Whom it is for."""
        to = self.cleaned_data["to"]
        if to == "everyone":
            return str(_("everyone"))
        return f"{models.BroadcastRun.Audience(to).label} \u201c{self.cleaned_data[to]}\u201d".removeprefix(
            "a "
        )


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
