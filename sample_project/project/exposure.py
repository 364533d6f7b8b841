"""What differs when the sample can be reached from beyond this machine: `SAMPLE_PUBLIC_HOST` says so.

Its key and its passwords are published, and one of its users is a superuser. So without that variable it
answers this machine only. With it, key and passwords are generated and kept in a file beside a database of
its own, no user is a superuser, there is no admin, and it does not start with a database that has one.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse

BASE_DIR: Final = Path(__file__).resolve().parent.parent
PUBLIC_HOST: Final = os.environ.get("SAMPLE_PUBLIC_HOST", "")
EXPOSED: Final = bool(PUBLIC_HOST)
DATABASE: Final = Path(
    os.environ.get("SAMPLE_DATABASE") or BASE_DIR / ("exposed.sqlite3" if EXPOSED else "sample.sqlite3")
)
SECRETS_FILE: Final = DATABASE.with_name(f"{DATABASE.name}.secrets.json")
HOW_TO_EXPOSE: Final = (
    "Its passwords are published, so it serves this machine only. To serve others, set SAMPLE_PUBLIC_HOST to "
    "the public host name: key and passwords are generated then."
)


def load_secret(name: str, published: str) -> str:
    """The secret of that name: the published one on this machine alone, else one generated once."""
    if not EXPOSED:
        return published
    known: dict[str, str] = {}
    with suppress(FileNotFoundError):
        known = json.loads(SECRETS_FILE.read_text())
    if name not in known:
        known[name] = secrets.token_urlsafe(50 if name == "SECRET_KEY" else 12)
        _write(known)
    return known[name]


def _write(known: dict[str, str]) -> None:
    # Only the owner may read the new file, and no process ever sees half of it.
    descriptor, path = tempfile.mkstemp(dir=SECRETS_FILE.parent)
    with os.fdopen(descriptor, "w") as file:
        json.dump(known, file, indent=2)
    os.replace(path, SECRETS_FILE)


def is_loopback(address: str) -> bool:
    """Whether that is an address of this machine alone."""
    if address == "localhost":
        return True
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def check_start() -> None:
    """Raise `ImproperlyConfigured` if it is exposed with a user who must not be there."""
    from chat.users import PUBLISHED
    from django.contrib.auth import get_user_model
    from django.db import DatabaseError

    if not EXPOSED:
        return
    users = get_user_model()._default_manager
    try:
        unsafe = [user.get_username() for user in users.filter(is_superuser=True)]
        for name, password in PUBLISHED.items():
            user = users.filter(username=name).first()
            if user is not None and user.check_password(password):
                unsafe.append(name)
    except DatabaseError as exc:
        raise ImproperlyConfigured(f"{exc}. Run `migrate` first, with SAMPLE_PUBLIC_HOST set.") from exc
    if unsafe:
        raise ImproperlyConfigured(
            f"{DATABASE} has superusers or published passwords ({', '.join(sorted(set(unsafe)))}), so it is "
            "not exposed. Leave SAMPLE_DATABASE unset: then a database of its own is used."
        )


class ThisMachineOnly:
    """Refuse requests from other machines while the sample is not exposed on purpose.

    A tunnel on this machine says in X-Forwarded-For for whom it asks.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Answer requests of this machine."""
        named = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        clients = [request.META.get("REMOTE_ADDR", ""), *filter(None, map(str.strip, named))]
        if not EXPOSED and not all(map(is_loopback, clients)):
            raise PermissionDenied(HOW_TO_EXPOSE)
        return self._get_response(request)
