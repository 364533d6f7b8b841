"""The handlers that a client may call: a table, built once per view class.

A handler is looked up in that table, never by `getattr` with a string that the client sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache, wraps
from inspect import Parameter, iscoroutinefunction, signature
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from websocket_gateway import metrics
from websocket_gateway.auth_backends import has_permissions
from websocket_gateway.exceptions import ConfigurationError

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser, AnonymousUser

F = TypeVar("F", bound=Callable[..., object])

OVERRIDABLE_HANDLERS: Final = frozenset({"default", "change_channel"})
"""Methods of `WebSocketView` itself that a client may call, once a subclass has overridden or listed them."""

LISTS: Final = (
    "permissions_required",
    "all_permissions_required",
    "required_headers",
    "additional_required_headers",
    "required_connection_headers",
)
"""Attributes of a view that are lists of names."""

_REQUIREMENT = "_websocket_gateway_requirement"
_ADMITTED = "_websocket_gateway_admitted"


class Requirement(NamedTuple):
    """The permissions that one handler requires; both lists apply when both are given."""

    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()

    def admits(self, user: AbstractUser | AnonymousUser) -> bool:
        """Whether `user` has one of `any_of` and every one of `all_of`."""
        return has_permissions(user, any_of=self.any_of, all_of=self.all_of)

    def check(self, arguments: Iterable[object]) -> None:
        """Raise `PermissionDenied` unless the user of the request among `arguments` is admitted."""
        request = next((item for item in arguments if isinstance(item, HttpRequest)), None)
        if request is None:
            raise PermissionDenied("A handler with @requires was called without a request.")
        # The view has already checked, if it could see the requirement.
        if getattr(request, _ADMITTED, None) is not self and not self.admits(request.user):
            raise PermissionDenied("The user lacks a permission.")


class Handler(NamedTuple):
    """One method that a client may name."""

    name: str


def requires(*, any_of: Iterable[str] = (), all_of: Iterable[str] = ()) -> Callable[[F], F]:
    """Allow only users with these permissions to call a handler, in addition to the lists of the view.

    An override in a subclass is a new method: decorate it again.
    """
    if isinstance(any_of, str) or isinstance(all_of, str):
        raise ConfigurationError('requires() takes lists: requires(any_of=["chat.view_room"]).')
    requirement = Requirement(any_of=tuple(any_of), all_of=tuple(all_of))

    def decorate(method: F) -> F:
        guarded = _guard(method, requirement)
        setattr(guarded, _REQUIREMENT, requirement)
        return guarded

    return decorate


def is_admitted(method: Callable[..., object], request: HttpRequest) -> bool:
    """Whether the user of the request may call a handler, as far as its attributes tell."""
    requirement: Requirement | None = getattr(method, _REQUIREMENT, None)
    if requirement is None or not requirement.admits(request.user):
        return requirement is None
    setattr(request, _ADMITTED, requirement)
    return True


def _guard(method: F, requirement: Requirement) -> F:
    """Make `method` check for itself: a decorator above it can hide the attribute, or a second `requires`."""
    if iscoroutinefunction(method):

        @wraps(method)
        async def guarded_async(*args: object, **kwargs: object) -> object:
            await sync_to_async(requirement.check)((*args, *kwargs.values()))
            return await method(*args, **kwargs)

        return cast("F", guarded_async)

    @wraps(method)
    def guarded(*args: object, **kwargs: object) -> object:
        requirement.check((*args, *kwargs.values()))
        return method(*args, **kwargs)

    return cast("F", guarded)


def url_arguments(
    method: Callable[..., object], kwargs: Mapping[str, object], *, given: int
) -> dict[str, object]:
    """Return the URL arguments that `method` takes, in addition to `given` positional ones."""
    function = getattr(method, "__func__", method)
    bound, names, takes_all = _parameters(function, given + (function is not method))
    return {
        name: value for name, value in kwargs.items() if name in names or (takes_all and name not in bound)
    }


@lru_cache(maxsize=1024)
def _parameters(function: Callable[..., object], given: int) -> tuple[frozenset[str], frozenset[str], bool]:
    """Return the names of the first `given` parameters, of the others, and whether any name is accepted."""
    parameters = signature(function).parameters.values()
    names = [
        item.name for item in parameters if item.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    ]
    takes_all = any(item.kind is Parameter.VAR_KEYWORD for item in parameters)
    return frozenset(names[:given]), frozenset(names[given:]), takes_all


def build_handlers(
    view: type,
    *,
    base: type,
    only: Iterable[str] | None = None,
    more: Iterable[str] | None = None,
    complete: bool = False,
) -> Mapping[str, Handler]:
    """Build the table of `view`, a subclass of `base`; `only` and `more` replace its two attributes.

    Without `ALLOWED_HANDLERS`, the plain public methods of the layers between `view` and `base`
    are detected, and `ADDITIONAL_ALLOWED_HANDLERS` of all layers are added. Raises
    `ConfigurationError` for a name that can never be a handler; with `complete` also for one that
    the view does not define, which a class above may leave to its subclasses.
    """
    explicit = _names(
        view, "ALLOWED_HANDLERS", getattr(view, "ALLOWED_HANDLERS", ()) if only is None else only
    )
    listed = explicit or _additional(view, more)
    names = _listed(view, base, listed)
    if complete:
        _check_defined(view, base, set(listed) - names)
    if not explicit:
        names |= _detected(view, base)
    metrics.close("handler", names)
    return MappingProxyType({name: Handler(name=name) for name in sorted(names)})


def check_lists(view: type, given: Mapping[str, object]) -> None:
    """Raise `ConfigurationError` if a list is text, which would be read letter by letter."""
    for name in LISTS:
        value = given.get(name, getattr(view, name))
        if isinstance(value, (str, bytes)):
            raise ConfigurationError(
                f"{view.__qualname__}.{name} must be a list, not {value!r}: write [{value!r}]."
            )


def _detected(view: type, base: type) -> set[str]:
    layers = [cls for cls in view.__mro__ if issubclass(cls, base) and cls is not base]
    # By name, so that an override of a hook, of `WebSocketView` or of a mixin, never becomes a handler.
    others = [cls for cls in view.__mro__ if cls not in layers]
    foreign = {name for cls in others for name in vars(cls)} - OVERRIDABLE_HANDLERS
    own = {name for layer in layers for name in vars(layer)}
    return {name for name in own - foreign if _is_public_method(view, name)}


def _additional(view: type, more: Iterable[str] | None) -> set[str]:
    names = {
        name
        for cls in view.__mro__
        for name in _names(
            cls, "ADDITIONAL_ALLOWED_HANDLERS", vars(cls).get("ADDITIONAL_ALLOWED_HANDLERS", ())
        )
    }
    return names | set(_names(view, "ADDITIONAL_ALLOWED_HANDLERS", more or ()))


def _listed(view: type, base: type, names: Iterable[str]) -> set[str]:
    for name in names:
        if name.startswith("_") or (hasattr(base, name) and name not in OVERRIDABLE_HANDLERS):
            raise ConfigurationError(
                f"{view.__qualname__}: {name!r} can never be a handler. Rename the method."
            )
    return {name for name in names if _is_public_method(view, name)}


def _check_defined(view: type, base: type, names: Iterable[str]) -> None:
    """Raise `ConfigurationError` for a name without a plain method; None stands for a removed one."""
    methods = [name for name in dir(view) if not hasattr(base, name) and _is_public_method(view, name)]
    for name in sorted(names):
        if getattr(view, name, view) is None:
            continue
        if hasattr(view, name):
            hint = "A handler is a plain method, `def` or `async def`."
        else:
            close = get_close_matches(name, methods, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else "Define it, or take it out of the list."
        raise ConfigurationError(
            f"{view.__qualname__}: {name!r} is listed as a handler, but is not a method of the class. {hint}"
        )


def _is_public_method(view: type, name: str) -> bool:
    owner = next((cls for cls in view.__mro__ if name in vars(cls)), None)
    return owner is not None and not name.startswith("_") and type(vars(owner)[name]) is FunctionType


def _names(view: type, attribute: str, value: Iterable[str]) -> tuple[str, ...]:
    if (
        not isinstance(value, Collection)  # an iterator would be empty the second time: no list at all
        or isinstance(value, (str, bytes))
        or not all(isinstance(name, str) for name in value)
    ):
        raise ConfigurationError(
            f"{view.__qualname__}.{attribute} must be a set of method names, not {value!r}."
        )
    return tuple(value)
