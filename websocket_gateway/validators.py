"""What names, URLs and lists must look like, one rule each; used by models, commands and services alike."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

CHANNEL_NAME_MAX_LENGTH = 191
"""Characters; every channel column holds this many."""

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
_TAG_TEXT = re.compile(r"[\w\s+\-=.:/@]*")
# https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_TEXT = re.compile(r"[A-Za-z0-9-._~:/?#&=,]+")
# https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-mappings.html
_MAPPING_KEY = re.compile(r"[A-Za-z0-9$\-_.+!*'()/]{1,300}")


# https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-custom-domain-names.html
_DOMAIN_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DOMAIN_NAME_MAX_LENGTH = 255


def validate_domain_name(value: str) -> None:
    """Accept a host name as API Gateway takes it for a custom domain: lower case, two labels or more."""
    labels = value.split(".")
    if (
        len(value) > _DOMAIN_NAME_MAX_LENGTH
        or len(labels) < 2
        or not all(_DOMAIN_LABEL.fullmatch(label) for label in labels)
    ):
        raise ValidationError(
            _("%(value)r is no domain name. Write one in lower case, such as ws.example.com."),
            params={"value": value},
        )


def validate_gateway_name(value: str) -> None:
    """Accept a name that stands on one line, and that a database does not mix up with another (`chat `)."""
    if not value.isprintable() or value != value.strip():
        raise ValidationError(
            _("%(value)r is no name: it must hold only printable characters, and no space at its ends."),
            params={"value": value},
        )


def validate_http_url(value: str) -> None:
    """Accept an absolute http or https URL with a host; single-label hosts are fine (`http://web:8000/`)."""
    if not value.isascii():
        raise ValidationError(
            _("%(value)r holds letters beyond ASCII: write its host as xn--…, its path with %%XX."),
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
            _("%(value)r is no http:// or https:// URL. Write one such as https://www.example.com/ws/."),
            params={"value": value},
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ValidationError(
            _("%(value)r must have no user name, query or fragment."), params={"value": value}
        )


def validate_stage_name(value: str) -> None:
    """Accept what API Gateway takes as the name of a WebSocket stage."""
    if not _STAGE_NAME.fullmatch(value):
        raise ValidationError(
            _("%(value)r is no stage name: use 1 to 128 letters, digits, - and _."), params={"value": value}
        )


def validate_route_key(value: str) -> None:
    """Accept a custom route key; those that begin with `$` belong to API Gateway."""
    if not value or value.startswith("$") or not value.isprintable():
        raise ValidationError(
            _("%(value)r is no route key: it must not be empty nor begin with $."), params={"value": value}
        )


def validate_mapping_key(value: str) -> None:
    """Accept what API Gateway takes as an API mapping key."""
    if not _MAPPING_KEY.fullmatch(value):
        raise ValidationError(
            _("%(value)r is no mapping key: use letters, digits and $-_.+!*'()/ ."), params={"value": value}
        )


def validate_channel_name(value: str) -> None:
    """Accept a channel name that every column can hold; which letters a view admits is the view's affair."""
    if not value:
        raise ValidationError(_("A channel name must not be empty."))
    if len(value) > CHANNEL_NAME_MAX_LENGTH:
        raise ValidationError(
            _("A channel name has at most %(limit)d characters; this one has %(length)d."),
            params={"limit": CHANNEL_NAME_MAX_LENGTH, "length": len(value)},
        )
    if not value.isprintable():
        raise ValidationError(
            _("%(value)r holds characters that cannot be printed."), params={"value": value}
        )


def validate_tags(value: Any) -> None:
    """Accept a dict of tags that AWS can store: at most 50, keys of 128 and values of 256 characters."""
    if not isinstance(value, dict) or len(value) > 40:
        raise ValidationError(_("Tags are a dict of at most 40 entries."))
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ValidationError(_("Tag %(key)r: key and value must be strings."), params={"key": key})
        if not 0 < len(key) <= 128 or len(text) > 256 or not _TAG_TEXT.fullmatch(key + text):
            raise ValidationError(
                _("Tag %(key)r: keys of 1 to 128, values of up to 256 letters, digits, spaces and +-=._:/@."),
                params={"key": key},
            )
        if key.lower().startswith(("aws:", "websocket_gateway:")):
            raise ValidationError(_("Tag %(key)r: this prefix is reserved."), params={"key": key})


def validate_stage_variables(value: dict[str, str]) -> None:
    """Accept what API Gateway takes as the variables of a stage."""
    for name, text in value.items():
        if not _VARIABLE_NAME.fullmatch(name) or not _VARIABLE_TEXT.fullmatch(text):
            raise ValidationError(
                _("Stage variable %(name)r: use letters, digits, _, and in the value -.~:/?#&=, too."),
                params={"name": name},
            )


def validate_permission_names(value: Any) -> None:
    """Accept a list of `app_label.codename` strings."""
    if not isinstance(value, list) or not all(
        isinstance(name, str) and re.fullmatch(r"\w+\.\w+", name) for name in value
    ):
        raise ValidationError(_('Permissions are a list of strings such as "chat.view_room".'))
