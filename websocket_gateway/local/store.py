"""The resources of the control plane: plain wire-form records, found by id, dumped as JSON."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, TypeVar

from websocket_gateway.local.errors import NotFoundError
from websocket_gateway.local.model import Wire

ACCOUNT = "000000000000"
_ALPHABET = string.ascii_lowercase + string.digits


def new_id(length: int = 10) -> str:
    """An id in the form AWS gives to APIs, routes and the like."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def iso_time(moment: float) -> str:
    """A timestamp as the service writes it."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True, kw_only=True)
class ApiRecord:
    """One API with everything that belongs to it."""

    api: Wire
    integrations: dict[str, Wire] = field(default_factory=dict)
    routes: dict[str, Wire] = field(default_factory=dict)
    route_responses: dict[str, dict[str, Wire]] = field(default_factory=dict)
    """By route id, then by route response id."""
    deployments: dict[str, Wire] = field(default_factory=dict)
    snapshots: dict[str, Wire] = field(default_factory=dict)
    """By deployment id: what that deployment serves."""
    stages: dict[str, Wire] = field(default_factory=dict)
    unsettled: list[str] = field(default_factory=list)
    """Ids of the deployments that are still PENDING, the oldest first."""


@dataclass(slots=True, kw_only=True)
class DomainRecord:
    """One custom domain with its API mappings."""

    domain: Wire
    mappings: dict[str, Wire] = field(default_factory=dict)
    asked_before: bool = True
    """Whether its status was seen since the last change; the second look finds it AVAILABLE."""


Record = TypeVar("Record", ApiRecord, DomainRecord)


@dataclass(slots=True, kw_only=True)
class Store:
    """All resources. Used from the gateway's one event loop only, so it needs no lock."""

    clock: Callable[[], float] = time.time
    deployment_seconds: float = 0.0
    deployment_fails: bool = False
    page_size: int = 100
    apis: dict[str, ApiRecord] = field(default_factory=dict)
    domains: dict[str, DomainRecord] = field(default_factory=dict)

    def now(self) -> str:
        """The current time in wire form."""
        return iso_time(self.clock())

    def find_api(self, api_id: str) -> ApiRecord:
        """The API of that id, its finished deployments settled."""
        record = self.apis.get(api_id)
        if record is None:
            raise NotFoundError(f"Invalid API identifier specified {ACCOUNT}:{api_id}", resourceType="Api")
        self.settle(record)
        return record

    def find_domain(self, name: str) -> DomainRecord:
        """The custom domain of that name."""
        record = self.domains.get(name)
        if record is None:
            raise NotFoundError("Invalid domain name identifier specified", resourceType="DomainName")
        return record

    def settle(self, record: ApiRecord) -> None:
        """Finish the deployments whose time has come; only a good one becomes what its stage serves."""
        # Every message passes here, so a long history of deployments must cost nothing.
        while record.unsettled:
            deployment_id = record.unsettled[0]
            deployment = record.deployments.get(deployment_id)
            snapshot = record.snapshots.get(deployment_id, {"readyAt": 0.0})
            if snapshot["readyAt"] > self.clock():
                return
            record.unsettled.pop(0)
            if deployment is None:
                continue
            if snapshot["fails"]:
                deployment["deploymentStatus"] = "FAILED"
                deployment["deploymentStatusMessage"] = "The local gateway was told to fail deployments."
                continue
            deployment["deploymentStatus"] = "DEPLOYED"
            stage = record.stages.get(snapshot["stageName"])
            if stage is not None:
                stage["deploymentId"] = deployment_id
                stage["lastUpdatedDate"] = self.now()

    def dump(self) -> Wire:
        """Everything, as JSON types."""
        return {
            "apis": [_as_dict(record) for record in self.apis.values()],
            "domains": [_as_dict(record) for record in self.domains.values()],
        }

    def load(self, data: Any) -> None:
        """Take over what `dump` gave; raises `KeyError`, `TypeError` or `AttributeError` on anything else."""
        apis = [_checked(ApiRecord(**item)) for item in _checked_list(data["apis"])]
        domains = [_checked(DomainRecord(**item)) for item in _checked_list(data["domains"])]
        self.apis = {record.api["apiId"]: record for record in apis}
        self.domains = {record.domain["domainName"]: record for record in domains}


def _as_dict(record: ApiRecord | DomainRecord) -> Wire:
    """Not `dataclasses.asdict`, which copies everything first."""
    return {item.name: getattr(record, item.name) for item in fields(record)}


def _checked_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value


def _checked(record: Record) -> Record:
    """`record`, if its fields are what they should be: a file that was edited may hold anything."""
    for item in fields(record):
        value = getattr(record, item.name)
        required = item.default is MISSING and item.default_factory is MISSING
        kind = dict if required or item.default_factory is dict else type(item.default)
        kind = list if item.default_factory is list else kind
        values = value.values() if isinstance(value, dict) and not required else ()
        if not isinstance(value, kind) or not all(isinstance(inner, dict) for inner in values):
            raise TypeError(f"{item.name} is no {kind.__name__}")
    return record


def find_in(resources: dict[str, Wire], key: str, kind: str) -> Wire:
    """The resource of that id, or a refusal that names its kind."""
    resource = resources.get(key)
    if resource is None:
        raise NotFoundError(f"Invalid {kind} identifier specified", resourceType=kind)
    return resource
