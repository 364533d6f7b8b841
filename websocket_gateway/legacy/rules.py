"""The old package's channel rules in the words of `ChannelPermission`, exactly or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from websocket_gateway.models import ChannelPermission

_AUDIENCES: Final = {
    "allow_all": ChannelPermission.Access.ANYONE,
    "staff_only": ChannelPermission.Access.STAFF,
    "superuser_only": ChannelPermission.Access.SUPERUSER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A channel rule, as the fields of a `ChannelPermission`."""

    audience: str
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()


def express(access: str, rules: Iterable[frozenset[str]]) -> Expression | None:
    """The old `access` and its rules as one row here; None for an access that is not known.

    The old rules are alternatives, each of which asks for all of its permissions. What is common to all
    becomes `all_of`; the rest `any_of` where it is one permission each, else `alternatives`. A rule
    without permissions admitted superusers only, and so did no rule at all.
    """
    if access in _AUDIENCES:
        return Expression(audience=str(_AUDIENCES[access]))
    if access != "permissions":
        return None
    alternatives = {rule for rule in rules if rule}
    # A subset of a rule's permissions is enough already.
    alternatives = {rule for rule in alternatives if not any(other < rule for other in alternatives)}
    if not alternatives:
        return Expression(audience=str(ChannelPermission.Access.SUPERUSER))
    common = frozenset.intersection(*alternatives)
    rest = [rule - common for rule in alternatives]
    single = len(rest) == 1 or all(len(rule) == 1 for rule in rest)
    return Expression(
        audience=str(ChannelPermission.Access.PERMISSIONS),
        any_of=tuple(sorted(frozenset.union(*rest))) if single else (),
        all_of=tuple(sorted(common)),
        alternatives=() if single else tuple(sorted(tuple(sorted(rule)) for rule in rest)),
    )
