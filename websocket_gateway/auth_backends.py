"""The authentication backend that logged a user in, and the permissions, which only that backend knows."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY, load_backend
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

_BACKEND_MAX_LENGTH: Final = 255


def backend_of(request: HttpRequest, user: AbstractBaseUser | AnonymousUser) -> str:
    """The dotted path of the backend that logged `user` in, as `login()` stores it; empty if unknown.

    Reads the session, unless the user has just been authenticated. The session of another user says nothing,
    as when a member of staff acts as `user`.
    """
    own = known_backend(user)
    session = getattr(request, "session", None)
    if own or session is None or session.get(SESSION_KEY) != str(user.pk):
        return own
    return _backend_path(session.get(BACKEND_SESSION_KEY))


def known_backend(user: AbstractBaseUser | AnonymousUser) -> str:
    """The same of a user who comes from `authenticate()` or `login()`, which keep it on the object."""
    return _backend_path(getattr(user, "backend", ""))


def _backend_path(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _BACKEND_MAX_LENGTH else ""


def load_by_backend(user: AbstractBaseUser | None, backend: str) -> AbstractBaseUser | None:
    """`user`, whose row is loaded, as `backend` gives the user; None as Django's anonymous user.

    Such as an LDAP backend, whose user carries the permissions that no table holds. Django's own backend
    gives the row as it is, so it costs no query. As with Django's sessions, None is the answer if the
    backend is no longer in `AUTHENTICATION_BACKENDS` or does not know the user. Without a path it is the row.
    """
    if user is None or not backend:
        return user
    if backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    from django.contrib.auth.backends import ModelBackend  # needs the models to be loaded

    found = load_backend(backend)
    if isinstance(found, ModelBackend) and type(found).get_user is ModelBackend.get_user:
        allowed = found.user_can_authenticate(user)  # type: ignore[arg-type]  # any user model
        return user if allowed else None
    loaded: AbstractBaseUser | None = found.get_user(user.pk)
    return loaded


def has_permissions(user: object, *, any_of: Collection[str] = (), all_of: Collection[str] = ()) -> bool:
    """Whether `user` has at least one of `any_of` and every one of `all_of`; an empty list requires nothing.

    A user model without `PermissionsMixin` has no `has_perm`, so its users have no permissions.
    """
    if not any_of and not all_of:
        return True
    has_perm = getattr(user, "has_perm", None)
    if has_perm is None:
        return False
    return (not any_of or any(map(has_perm, any_of))) and all(map(has_perm, all_of))
