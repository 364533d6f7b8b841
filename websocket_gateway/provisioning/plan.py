"""A plan is data: frozen steps, each with its reason. It holds no secret and makes no call."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

from websocket_gateway.resources import Resource

R = TypeVar("R", bound=Resource | None, covariant=True)
T = TypeVar("T", bound=Resource)


class PlanError(Exception):
    """The wanted state cannot be planned; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options of `create_gateway` and `sync_routes` that change what is planned."""

    recreate: bool = False
    """Create the API again where AWS does not know the one in the row."""
    adopt: str = ""
    """Id of an existing API to adopt."""
    prune: bool = False
    """Delete what is in AWS and is not wanted here."""
    import_changes: bool = False
    """Import what was changed in AWS into the rows, where a row can hold it."""
    rotate_secret: bool = False
    """Deploy an origin secret of the next generation; a rotation that was cut off is finished instead."""
    move_mapping: bool = False
    """Take the wanted path of the domain over from another gateway of this installation."""
    deep: bool = False
    """Read the route responses of one-way routes too, at one call each."""

    @property
    def again(self) -> Choices:
        """The same for another plan in the same run: by then a rotation has begun, and the row says so."""
        return replace(self, rotate_secret=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another gateway of this installation."""

    name: str
    uuid: str
    api_id: str
    domain_name: str = ""


class Action(Enum):
    """The action of a step."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    WAIT = "wait"
    KEEP = "keep"
    """Nothing is done: the step is only a report."""


class Kind(Enum):
    """The kind of thing that a step acts on. Steps are applied in this order."""

    RECORD = "record"
    """The row in our own database."""
    SESSIONS = "sessions"
    """The rows of the gateway's sockets."""
    ROUTE_RECORD = "route record"
    """The row of an additional route."""
    API = "api"
    INTEGRATION = "integration"
    ROUTE = "route"
    ROUTE_RESPONSE = "route response"
    STAGE = "stage"
    ROUTE_SETTINGS = "route settings"
    """The settings of a stage for one route."""
    DEPLOYMENT = "deployment"
    DOMAIN = "domain"
    API_MAPPING = "api mapping"
    DNS_RECORD = "dns record"
    ORIGIN_SECRET = "origin secret"  # noqa: S105 - a name
    """The generation that the row holds; the secret itself is part of the integrations."""

    @property
    def in_our_database(self) -> bool:
        """Whether it is a row of ours, and nothing in AWS."""
        return self in (Kind.RECORD, Kind.SESSIONS, Kind.ROUTE_RECORD, Kind.ORIGIN_SECRET)

    @property
    def structural(self) -> bool:
        """Whether a change of it is served only after a deployment.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-set-up-websocket-deployment.html
        """
        return self in (Kind.API, Kind.INTEGRATION, Kind.ROUTE, Kind.ROUTE_RESPONSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One attribute that differs."""

    attribute: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmanaged:
    """A value that AWS has, that nothing configures and that is not AWS's default."""

    kind: Kind
    name: str
    attribute: str
    value: object
    default: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Generic[R]):
    """One call to make, and why."""

    action: Action
    kind: Kind
    name: str
    """The name of the resource: a gateway's name, a route key, a stage name."""
    reason: str
    changes: tuple[Change, ...] = ()
    resource: R
    """The wanted resource, or the one to delete, with its id if it exists; None for our own rows."""
    observed: R | None = None
    """The resource that an update finds."""

    @property
    def structural(self) -> bool:
        """Whether this step is served only after a deployment."""
        if self.kind is Kind.API and self.action is Action.UPDATE:
            return any(change.attribute in _STRUCTURAL_OF_API for change in self.changes)
        if self.kind is Kind.INTEGRATION and self.action is Action.DELETE:
            return False  # it served no route
        return self.kind.structural

    @property
    def present(self) -> R:
        """The resource that an update finds; raises `TypeError` for a step that is not an update."""
        if self.observed is None:
            raise TypeError(f"{self.kind.value} {self.name} is not an update")
        return self.observed

    @property
    def identity(self) -> tuple[str, ...]:
        """Kind, name and ids: different for another resource of the same name."""
        ids = (str(getattr(self.resource, name, "")) for name in _IDS)
        return (self.kind.value, self.name, *ids)

    @property
    def values(self) -> dict[str, object]:
        """The attributes that change, with their values afterwards."""
        return {change.attribute: change.after for change in self.changes}

    def of(self, resource_type: type[T]) -> Step[T]:
        """This step, as one on a resource of that type; raises `TypeError` for another one."""
        resource, observed = self.resource, self.observed
        if not isinstance(resource, resource_type):
            raise TypeError(f"{self.kind.value} {self.name} is not a {resource_type.__name__}")
        return Step(
            action=self.action,
            kind=self.kind,
            name=self.name,
            reason=self.reason,
            changes=self.changes,
            resource=resource,
            observed=observed if isinstance(observed, resource_type) else None,
        )


def count_sockets(number: int) -> str:
    """That many open sockets, in words."""
    return f"{number} open socket{'s' * (number != 1)}"


AnyStep: TypeAlias = Step[Resource | None]
RecordStep: TypeAlias = Step[None]
"""A step in our own database."""

_IDS = ("api_id", "integration_id", "route_id", "route_response_id", "api_mapping_id")
_STRUCTURAL_OF_API = frozenset(
    {"route_selection_expression", "api_key_selection_expression", "disable_execute_api_endpoint"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps from what is to what is wanted; false when there is nothing to do."""

    gateway: str
    steps: tuple[AnyStep, ...] = ()
    left: tuple[AnyStep, ...] = ()
    """The steps that would remove what is there and not wanted; not taken unless asked for."""
    unmanaged: tuple[Unmanaged, ...] = ()
    """Values of others, left as they are. They do not count as drift."""
    notes: tuple[str, ...] = ()
    """Notes on what is unwise."""

    @property
    def drift(self) -> bool:
        """Whether anything is not as wanted, fixed by a step or left."""
        return bool(self.steps or self.left)

    @property
    def deletions(self) -> tuple[AnyStep, ...]:
        """Every step that deletes something outside our own database: all of them need consent."""
        return tuple(
            step for step in self.steps if step.action is Action.DELETE and not step.kind.in_our_database
        )

    @property
    def fingerprint(self) -> str:
        """Tells two plans apart, so that what was confirmed is what is applied."""
        told = [(step.action.value, step.identity, step.changes) for step in self.steps]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:32]

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[AnyStep]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)
