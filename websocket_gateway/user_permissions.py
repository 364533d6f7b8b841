"""Whether a user has permissions: the one rule of views, handlers and channels."""

from __future__ import annotations

from collections.abc import Collection


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
