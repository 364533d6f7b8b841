"""The mark of a user: by it the browser client notices a token of another user than that of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from websocket_gateway.inboxes import build_inbox_config

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

_SALT: Final = "websocket_gateway.client_config.user"


def build_user_config(request: HttpRequest) -> dict[str, str]:
    """The mark of the page's user. The user of a token must have the same one."""
    return {"user": _user_marks(getattr(request, "user", None))[0]}


def build_user_marks(user: AbstractBaseUser | AnonymousUser) -> dict[str, str | list[str]]:
    """The mark of a token's user for the answer that contains the token: `user`, empty for an anonymous one.

    The mark does not reveal the user. `user_fallbacks` are the marks under `SECRET_KEY_FALLBACKS`, for pages
    that are older than the key. `inbox` is the channel of the user's inbox, if `CHANNELS` declares one.
    """
    mark, *fallbacks = _user_marks(user)
    older: dict[str, str | list[str]] = {"user_fallbacks": fallbacks} if fallbacks else {}
    return {"user": mark, **older, **build_inbox_config(user)}


def _user_marks(user: AbstractBaseUser | AnonymousUser | None) -> list[str]:
    if user is None or not user.is_authenticated:
        return [""]
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac(_SALT, str(user.pk), secret=key, algorithm="sha256").hexdigest() for key in secrets]
