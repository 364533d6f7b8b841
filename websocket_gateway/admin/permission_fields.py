"""Form fields for permissions: text, with a list beside it from which names are picked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypedDict

from django import forms
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.forms.renderers import BaseRenderer
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise
    from typing_extensions import Unpack

_NOT_NAMES: Final = r"[\s,()\[\]\"']+|(?i:\band\b)"


class PermissionPicker(forms.Textarea):
    """A text field and a list of all permissions. Without JavaScript the text field is enough."""

    class Media:
        js = ("websocket_gateway/admin/permissions.js",)

    def __init__(self, separator: str) -> None:
        super().__init__(attrs={"rows": 4, "cols": 60})
        self.separator = separator

    def render(
        self,
        name: str,
        value: object,
        attrs: dict[str, object] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        """Render both. The list by the project's template engine, which finds the package's templates."""
        labels = Permission.objects.order_by("content_type__app_label", "codename")
        names = labels.values_list("content_type__app_label", "codename")
        picker = render_to_string(
            "admin/websocket_gateway/channelpermission/picker.html",
            {
                "field_id": (attrs or {}).get("id", ""),
                "separator": self.separator,
                "permissions": [
                    (app, list(dict.fromkeys(map(".".join, pairs))))
                    for app, pairs in groupby(names, key=lambda pair: pair[0])
                ],
            },
        )
        return format_html("{}{}", super().render(name, value, attrs, renderer), picker)


class _Words(TypedDict, total=False):
    label: _StrOrPromise
    help_text: _StrOrPromise


class PermissionNamesField(forms.Field):
    """A list of permissions, edited as text: one per line."""

    def __init__(self, **kwargs: Unpack[_Words]) -> None:
        super().__init__(widget=PermissionPicker("\n"), required=False, **kwargs)

    def prepare_value(self, value: object) -> object:
        """Return the text of a list. Submitted text stays unchanged."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: str | None) -> list[str]:
        """Return the list without duplicates."""
        # PostgreSQL does not accept a NUL in a query.
        return list(dict.fromkeys((value or "").replace("\0", " ").split()))

    def validate(self, value: list[str]) -> None:
        """Check that each permission exists: a misspelt one would be granted to no user."""
        super().validate(value)
        require_known(value)


class PermissionSetsField(forms.Field):
    """Alternatives, edited as text: one per line, the permissions of each joined by "and"."""

    def __init__(self, **kwargs: Unpack[_Words]) -> None:
        super().__init__(widget=PermissionPicker(" and "), required=False, **kwargs)

    def prepare_value(self, value: object) -> object:
        """Return the text of the sets. Submitted text stays unchanged."""
        return "\n".join(map(" and ".join, value)) if isinstance(value, list) else value

    def to_python(self, value: str | None) -> list[list[str]]:
        """Return the sets without duplicates. An empty line, and brackets, are left out."""
        lines = (value or "").replace("\0", " ").splitlines()
        sets = [list(dict.fromkeys(filter(None, re.split(_NOT_NAMES, line)))) for line in lines]
        return [names for number, names in enumerate(sets) if names and names not in sets[:number]]

    def validate(self, value: list[list[str]]) -> None:
        """Check that each permission exists."""
        super().validate(value)
        require_known([name for names in value for name in names])


def require_known(names: Iterable[str]) -> None:
    """Raise `ValidationError` with the names of unknown permissions."""
    given = list(dict.fromkeys(names))
    codenames = [name.partition(".")[2] for name in given]
    found = Permission.objects.filter(codename__in=codenames)
    known = {".".join(pair) for pair in found.values_list("content_type__app_label", "codename")}
    if unknown := [name for name in given if name not in known]:
        raise ValidationError(
            _("There is no such permission: %(names)s. Write app_label.codename."),
            code="unknown_permission",
            params={"names": ", ".join(unknown)},
        )


def in_words(all_of: list[str], any_of: list[str], alternatives: list[list[str]]) -> str:
    """A rule as people write it: `a and (b or c)`, `(a and b) or c`."""
    sets = [f"({' and '.join(names)})" if len(names) > 1 else names[0] for names in alternatives if names]
    parts = list(all_of)
    for choices in (any_of, sets):
        parts += [f"({' or '.join(choices)})" if len(choices) > 1 else choices[0]] if choices else []
    text = " and ".join(parts)
    return text[1:-1] if len(parts) == 1 and text.startswith("(") and text not in sets else text
