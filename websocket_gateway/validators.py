"""Rules for names, URLs and lists, one function each; used by models, commands and settings."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import DomainNameValidator
from django.utils.translation import gettext as _

CHANNEL_NAME_MAX_LENGTH = 191
"""Characters; every channel column holds this many."""

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
_STAGE_NAME = r"[A-Za-z0-9_-]{1,128}"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
_TAG_TEXT = r"[\w\s+\-=.:/@]*"
# https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html
_VARIABLE_NAME = r"[A-Za-z0-9_]+"
_VARIABLE_TEXT = r"[A-Za-z0-9-._~:/?#&=,]+"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-mappings.html
_MAPPING_KEY = r"[A-Za-z0-9$\-_.+!*'()]{1,300}"
_RESERVED_KEYS = frozenset({"ping", "sping"})
_is_domain_name = DomainNameValidator(accept_idna=False)


def validate_domain_name(value: str) -> None:
    """Accept a host name that API Gateway accepts for a custom domain: lower case, two labels or more."""
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-custom-domain-names.html
    try:
        _is_domain_name(value)
        accepted = value == value.lower().rstrip(".")
    except ValidationError:
        accepted = False
    if not accepted:
        raise ValidationError(
            _("%(value)r is not a domain name. Write one in lower case, such as ws.example.com."),
            params={"value": value},
        )


def validate_gateway_name(value: str) -> None:
    """Accept a name of one line that no database confuses with another, as it could `chat ` with `chat`."""
    if not value.isprintable() or value != value.strip():
        raise ValidationError(
            _("%(value)r is not a name: use only printable characters, and no space at its start or end."),
            params={"value": value},
        )


def validate_http_url(value: str) -> None:
    """Accept an absolute http or https URL with a host; single-label hosts are fine (`http://web:8000/`)."""
    if not value.isascii():
        raise ValidationError(
            _("%(value)r has characters beyond ASCII: write its host as xn--…, its path with %%XX."),
            params={"value": value},
        )
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if (
        parts.scheme not in ("http", "https")
        or not host
        or re.search(r"[\s'\\]", value)
        or not value.isprintable()
    ):
        raise ValidationError(
            _("%(value)r is not an http:// or https:// URL. Write one such as https://www.example.com/ws/."),
            params={"value": value},
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ValidationError(
            _("%(value)r must have no user name, query or fragment."), params={"value": value}
        )


def is_stage_name(value: str) -> bool:
    """Whether API Gateway accepts this name for a stage of a WebSocket API."""
    return re.fullmatch(_STAGE_NAME, value) is not None


def validate_stage_name(value: str) -> None:
    """Accept a stage name that API Gateway accepts for a WebSocket API."""
    if not is_stage_name(value):
        raise ValidationError(
            _("%(value)r is not a stage name: use 1 to 128 letters, digits, - and _."),
            params={"value": value},
        )


def validate_route_key(value: str) -> None:
    """Accept a custom route key; those that begin with `$` belong to API Gateway."""
    if not value or value.startswith("$") or not value.isprintable():
        raise ValidationError(
            _("%(value)r is not a route key: it must not be empty, and must not begin with $."),
            params={"value": value},
        )


def validate_mapping_key(value: str) -> None:
    """Accept an API mapping key that API Gateway accepts for a WebSocket API.

    Such a key has one level: those with several are for REST and HTTP APIs.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-mappings.html
    """
    if not re.fullmatch(_MAPPING_KEY, value):
        raise ValidationError(
            _("%(value)r is not a mapping key of a WebSocket API: use letters, digits and $-_.+!*'() ."),
            params={"value": value},
        )
    if value in _RESERVED_KEYS:
        raise ValidationError(
            _("%(value)r is not a mapping key: API Gateway answers /ping and /sping itself."),
            params={"value": value},
        )


def validate_channel_name(value: str) -> None:
    """Accept a channel name that every column can hold; a view can restrict the characters further."""
    if not value:
        raise ValidationError(_("A channel name must not be empty."))
    if len(value) > CHANNEL_NAME_MAX_LENGTH:
        raise ValidationError(
            _("A channel name has at most %(limit)d characters; this one has %(length)d."),
            params={"limit": CHANNEL_NAME_MAX_LENGTH, "length": len(value)},
        )
    if not value.isprintable():
        raise ValidationError(_("%(value)r has characters that cannot be printed."), params={"value": value})


def validate_tags(value: object) -> None:
    """Accept a dict of tags that AWS can store: at most 40, keys of 128 and values of 256 characters."""
    if not isinstance(value, dict) or len(value) > 40:
        raise ValidationError(_("Tags are a dict of at most 40 entries."))
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ValidationError(_("Tag %(key)r: key and value must be strings."), params={"key": key})
        if not 0 < len(key) <= 128 or len(text) > 256 or not re.fullmatch(_TAG_TEXT, key + text):
            raise ValidationError(
                _("Tag %(key)r: keys of 1 to 128, values of up to 256 letters, digits, spaces and +-=._:/@."),
                params={"key": key},
            )
        if key.lower().startswith(("aws:", "websocket_gateway:")):
            raise ValidationError(_("Tag %(key)r: this prefix is reserved."), params={"key": key})


def validate_stage_variables(value: dict[str, str]) -> None:
    """Accept stage variables that API Gateway accepts."""
    for name, text in value.items():
        if not re.fullmatch(_VARIABLE_NAME, name) or not re.fullmatch(_VARIABLE_TEXT, text):
            raise ValidationError(
                _("Stage variable %(name)r: use letters, digits and _; in values also commas and -.~:/?#&=."),
                params={"name": name},
            )


def validate_permission_sets(value: object) -> None:
    """Accept a list of lists of `app_label.codename` strings, none of them empty."""
    if not isinstance(value, list) or not all(isinstance(names, list) and names for names in value):
        raise ValidationError(
            _('Alternatives are a list of lists of permissions, such as [["chat.view_room"]].')
        )
    for names in value:
        validate_permission_names(names)


def validate_permission_names(value: object) -> None:
    """Accept a list of `app_label.codename` strings."""
    if not isinstance(value, list) or not all(
        isinstance(name, str) and re.fullmatch(r"\w+\.\w+", name) for name in value
    ):
        raise ValidationError(_('Permissions are a list of strings such as "chat.view_room".'))
