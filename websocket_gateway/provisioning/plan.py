"""A plan is data: frozen steps, each with its reason. It holds no secret and makes no call."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from websocket_gateway.resources import Resource


class PlanError(Exception):
    """What is wanted cannot be planned; the message says what to change."""


class Action(Enum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    WAIT = "wait"
    KEEP = "keep"
    """Nothing: it is only reported, and a person decides."""


class Kind(Enum):
    """What a step does it to. Steps are applied in this order."""

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
    """What a stage says of one route alone."""
    DEPLOYMENT = "deployment"
    DOMAIN = "domain"
    API_MAPPING = "api mapping"
    DNS_RECORD = "dns record"

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
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call to make, and why."""

    action: Action
    kind: Kind
    name: str
    """What the resource is called: a gateway's name, a route key, a stage name."""
    reason: str
    changes: tuple[Change, ...] = ()
    resource: Resource | None = None
    """What is wanted, with its id where it exists already."""
    observed: Resource | None = None
    """What is there now."""

    @property
    def structural(self) -> bool:
        """Whether this step is served only after a deployment."""
        if self.kind is Kind.API and self.action is Action.UPDATE:
            return any(change.attribute in _STRUCTURAL_OF_API for change in self.changes)
        if self.kind is Kind.INTEGRATION and self.action is Action.DELETE:
            return False  # it served no route
        return self.kind.structural


_PRUNED = frozenset({Kind.INTEGRATION, Kind.ROUTE, Kind.STAGE, Kind.DOMAIN})
_STRUCTURAL_OF_API = frozenset(
    {"route_selection_expression", "api_key_selection_expression", "disable_execute_api_endpoint"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps from what is to what is wanted; false when there is nothing to do."""

    gateway: str
    steps: tuple[Step, ...] = ()
    left: tuple[Step, ...] = ()
    """What is there and not wanted, as the steps that would remove it; not taken unless asked for."""
    notes: tuple[str, ...] = ()
    """What is unwise."""

    @property
    def drift(self) -> bool:
        """Whether anything at all is not as wanted, be it mended by a step or left."""
        return bool(self.steps or self.left)

    @property
    def deletions(self) -> tuple[Step, ...]:
        """The steps that take something away which nobody here made or wants."""
        return tuple(step for step in self.steps if step.action is Action.DELETE and step.kind in _PRUNED)

    @property
    def fingerprint(self) -> str:
        """Tells two plans apart, so that what was confirmed is what is applied."""
        told = [(step.action.value, step.kind.value, step.name, step.changes) for step in self.steps]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:32]

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)
