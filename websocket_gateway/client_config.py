"""The configuration of the browser client."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, TypeVar

from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, InterfaceError
from django.db.models import Model, QuerySet
from django.db.transaction import TransactionManagementError, get_connection
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.crypto import salted_hmac

from websocket_gateway import connections
from websocket_gateway.conf import get_settings
from websocket_gateway.database_engines import aborts_transactions
from websocket_gateway.database_errors import is_forbidden_in_tests
from websocket_gateway.frames import SUBPROTOCOL
from websocket_gateway.inboxes import build_inbox_config
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import ApiGateway
from websocket_gateway.page_errors import warn_once

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

logger = get_logger(__name__)

_Row = TypeVar("_Row", bound=Model)

_MARK_SALT: Final = "websocket_gateway.client_config.user"
_TEXTS: Final = ("token_by", "handler_key", "share_key", "overflow", "credentials")
_FLAGS: Final = ("share", "follow_login")
_NUMBERS: Final = (
    *("queue_limit", "request_ms", "resend_ms", "backoff_ms", "backoff_max_ms", "connect_ms", "stable_ms"),
    *(
        "heartbeat_ms",
        "pong_ms",
        "rotate_ms",
        "handover_ms",
        "max_refusals",
        "slow_ms",
        "gap_ms",
        "presence_grace_ms",
        "ack_ms",
        "max_frame_bytes",
    ),
)
CLIENT_OPTIONS: Final = (*_TEXTS, *_FLAGS, *_NUMBERS)
"""The options of the client, in Python's spelling."""


def find_page_gateway(name: str = "") -> ApiGateway | None:
    """The gateway of a page: the one called `name`, else `DEFAULT_GATEWAY`, else the only one in AWS.

    None if there is none. The page is shown without it, so the reason is logged, once per process.
    """
    name = str(name or "")  # a template can pass anything
    rows = ApiGateway.objects.filter(api_name=name) if name else ApiGateway.objects.all()
    found = read_or_log(rows)
    if found is None:
        return None
    gateway, reason = _choose(found, name)
    if reason:
        warn_once(f"A page has no address to connect to: {reason}")
    return gateway


def read_or_log(rows: QuerySet[_Row]) -> list[_Row] | None:
    """The rows; None, and a warning in the log, if the database cannot read them.

    On PostgreSQL an error aborts the open transaction, so there it is raised: what the page has written
    must not be lost silently.
    """
    try:
        return list(rows)
    except SynchronousOnlyOperation:
        warn_once(
            "A page has no address to connect to: its template is rendered in async code, which cannot read "
            "the database. Render it by `await sync_to_async(render)(request, ...)`."
        )
        return None
    except (AssertionError, RuntimeError) as exc:
        if not is_forbidden_in_tests(exc):
            raise
        logger.debug(
            "A page has no address to connect to: this test must not use the database.",
            extra={"event": "page_without_address"},
        )
        return None
    except (DatabaseError, InterfaceError) as exc:
        connection = get_connection(rows.db)
        if connection.in_atomic_block and aborts_transactions(connection):
            raise
        warn_once(
            f"A page has no address to connect to: {rows.model._meta.db_table} cannot be read "
            f"({type(exc).__name__}). {_advice(exc)}"
        )
        return None


def _advice(exc: Exception) -> str:
    if isinstance(exc, TransactionManagementError):
        return (
            "An earlier query of the same transaction failed. Look for that error, and end the transaction."
        )
    return "Run `manage.py migrate`, and check that the database answers."


def _choose(rows: list[ApiGateway], name: str) -> tuple[ApiGateway | None, str]:
    """The gateway, and the reason why there is none or why it has no address."""
    if not rows:
        wanted = name or "NAME"
        which = f"gateway {name!r}" if name else "gateway"
        return None, f"there is no {which}. Run `manage.py create_gateway {shlex.quote(wanted)}`."
    default = name or get_settings().default_gateway
    named = [row for row in rows if row.api_name == default]
    if default and not named:
        warn_once(f"There is no gateway {default!r}, which DEFAULT_GATEWAY names.")
    usable = named or [row for row in rows if connections.find_socket_url(row)] or rows
    if len(usable) > 1:
        names = ", ".join(repr(row.api_name) for row in usable[:5])
        return (
            None,
            f"there are several gateways ({names}). Name one by DEFAULT_GATEWAY or in the template tag.",
        )
    return usable[0], connections.why_no_socket_url(usable[0])


def build_client_config(
    gateway: ApiGateway | None, *, channel_name: str = "", token_url: str = ""
) -> dict[str, str]:
    """The client's configuration, which contains no secret.

    An empty `url` means that there is no address, an empty `tokenUrl` means a public endpoint. `tokenBy` is
    there where `TOKEN_BY` is not "query".
    """
    config = {
        "url": connections.find_socket_url(gateway) if gateway else "",
        "tokenUrl": token_url,
        "channel": channel_name,
        "subprotocol": SUBPROTOCOL,
    }
    # Without an address nothing is sent, and settings that cannot be read must not break the page.
    if gateway is not None and get_settings().token_by != "query":  # noqa: S105 - a way
        config["tokenBy"] = get_settings().token_by
    return config


def build_client_options(options: Mapping[str, object]) -> dict[str, object]:
    """The client's options in its own spelling: `share_key` -> `shareKey`. Raises `TypeError`.

    None stands for the client's default.
    """
    return {_camel_case(_known(name)): _checked(name, value) for name, value in options.items()}


def _checked(name: str, value: object) -> object:
    """The value as JSON knows it; a template may give a lazy one, or an object."""
    if value is None:
        return None
    if name in _TEXTS and not isinstance(value, bool):
        return str(value)
    if name in _FLAGS and isinstance(value, bool):
        return bool(value)
    if name in _NUMBERS and isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value + 0  # of Django's lazy objects, which only look like numbers
        if math.isfinite(number) and number >= 0:
            return number
    wanted = "a text" if name in _TEXTS else "True or False" if name in _FLAGS else "a number of 0 or more"
    raise TypeError(f"The option {name!r} must be {wanted}, not {type(value).__name__} {str(value)[:50]!r}.")


def build_csrf_config(request: HttpRequest) -> dict[str, str]:
    """The names of the CSRF cookie and header; the cookie is sent with the page.

    The token itself is included only if scripts cannot read the cookie.
    """
    token = get_token(request)
    hidden = settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_HTTPONLY
    return build_csrf_config_of_token(token if hidden else "")


def build_csrf_config_of_token(token: str) -> dict[str, str]:
    """The names of the CSRF cookie and header, and the token if there is one to include."""
    config = {
        "csrfCookie": settings.CSRF_COOKIE_NAME,
        "csrfHeader": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"),
    }
    return {**config, "csrfToken": token} if token else config


def build_user_config(request: HttpRequest) -> dict[str, str]:
    """The mark of the page's user, by which the browser client notices a token of another user."""
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
    return [
        salted_hmac(_MARK_SALT, str(user.pk), secret=key, algorithm="sha256").hexdigest() for key in secrets
    ]


def _known(name: str) -> str:
    if name in CLIENT_OPTIONS:
        return name
    close = get_close_matches(name, CLIENT_OPTIONS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(CLIENT_OPTIONS)}."
    raise TypeError(f"The client has no option {name!r}; {hint}")


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
