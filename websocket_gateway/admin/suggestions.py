"""Names of channels that exist, as suggestions for the text fields of forms."""

from __future__ import annotations

from itertools import chain

from django import forms
from django.forms.renderers import BaseRenderer
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGateway, Channel, ChannelPermission, WebSocketSession

MOST_SUGGESTED = 100
_FROM_EACH = 50
_NEWEST_SESSIONS = 200


def known_channels() -> list[str]:
    """Return at most 100 names, in four short queries: of settings, rules, gateways, histories, sessions."""
    sources = (
        (name for name, _options in get_settings().channels),
        ApiGateway.objects.order_by().values_list("default_channel_name", flat=True)[:_FROM_EACH],
        ChannelPermission.objects.order_by("channel_name").values_list("channel_name", flat=True)[
            :_FROM_EACH
        ],
        Channel.objects.filter(published_on__isnull=False)
        .order_by("-published_on")
        .values_list("name", flat=True)[:_FROM_EACH],
        WebSocketSession.objects.filter(connected=True)
        .order_by("-created_on")
        .values_list("channel_name", flat=True)[:_NEWEST_SESSIONS],
    )
    names = dict.fromkeys(name for name in chain.from_iterable(sources) if name and not name.endswith("*"))
    return sorted(list(names)[:MOST_SUGGESTED])


class ChannelInput(forms.TextInput):
    """A text field with suggestions. Any other name can be typed as well."""

    def render(
        self,
        name: str,
        value: object,
        attrs: dict[str, object] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        """Render the field and the list of names."""
        given = {**self.attrs, **(attrs or {})}
        list_id = f"{given.get('id') or f'id_{name}'}_known"
        options = format_html_join("", '<option value="{}"></option>', ((one,) for one in known_channels()))
        field = super().render(name, value, {**given, "list": list_id}, renderer)
        return format_html('{}<datalist id="{}">{}</datalist>', field, list_id, options)
