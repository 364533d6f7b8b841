"""The resources of the control plane: records in wire form, found by id, dumped as JSON."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime, timezone
from typing import TypeVar

from websocket_gateway.local.errors import NotFoundError
from websocket_gateway.local.model import Wire

ACCOUNT = "000000000000"
_ALPHABET = string.ascii_lowercase + string.digits


def new_id(length: int = 10) -> str:
    """Return a new id in the form that AWS gives to APIs, routes and other resources."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def iso_time(moment: float) -> str:
    """Return the timestamp in the form that the service writes."""
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
    """By deployment id: the content of that deployment."""
    stages: dict[str, Wire] = field(default_factory=dict)
    unsettled: list[str] = field(default_factory=list)
    """Ids of the deployments that are still PENDING, the oldest first."""


@dataclass(slots=True, kw_only=True)
class DomainRecord:
    """One custom domain with its API mappings."""

    domain: Wire
    mappings: dict[str, Wire] = field(default_factory=dict)
    asked_before: bool = True
    """Whether its status was read since the last change; the second read returns AVAILABLE."""


Record = TypeVar("Record", ApiRecord, DomainRecord)


@dataclass(slots=True, kw_only=True)
class Store:
    """All resources. Only the gateway's event loop uses it, so it needs no lock."""

    clock: Callable[[], float] = time.time
    deployment_seconds: float = 0.0
    deployment_fails: bool = False
    page_size: int = 100
    empty_stage_description: str = "ignored"
    apis: dict[str, ApiRecord] = field(default_factory=dict)
    domains: dict[str, DomainRecord] = field(default_factory=dict)

    def now(self) -> str:
        """Return the current time in wire form."""
        return iso_time(self.clock())

    def find_api(self, api_id: str) -> ApiRecord:
        """Return the API of that id, after updating its deployments."""
        record = self.apis.get(api_id)
        if record is None:
            raise NotFoundError(f"Invalid API identifier specified {ACCOUNT}:{api_id}", resourceType="Api")
        self.settle(record)
        return record

    def find_served(self, api_id: str, stage_name: str) -> tuple[Wire, Wire] | None:
        """Return the stage and the snapshot of the deployment that it serves, if it serves one."""
        try:
            record = self.find_api(api_id)
        except NotFoundError:
            return None
        stage = record.stages.get(stage_name)
        snapshot = record.snapshots.get(stage.get("deploymentId", "")) if stage else None
        return (stage, snapshot) if stage is not None and snapshot is not None else None

    def find_domain(self, name: str) -> DomainRecord:
        """Return the custom domain of that name."""
        record = self.domains.get(name)
        if record is None:
            raise NotFoundError("Invalid domain name identifier specified", resourceType="DomainName")
        return record

    def settle(self, record: ApiRecord) -> None:
        """Finish the deployments whose time is over. A stage serves a deployment only if it succeeded."""
        # Called for every message, so a long history of deployments must cost nothing.
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
                deployment["deploymentStatusMessage"] = "The local gateway is configured to fail deployments."
                continue
            deployment["deploymentStatus"] = "DEPLOYED"
            stage = record.stages.get(snapshot["stageName"])
            if stage is not None:
                stage["deploymentId"] = deployment_id
                stage["lastUpdatedDate"] = self.now()

    def dump(self) -> Wire:
        """Return all resources as JSON types."""
        return {
            "apis": [_as_dict(record) for record in self.apis.values()],
            "domains": [_as_dict(record) for record in self.domains.values()],
        }

    def load(self, data: Wire) -> None:
        """Replace all resources by a dump. Other data is a `KeyError`, `TypeError` or `AttributeError`."""
        apis = [_checked(ApiRecord(**item)) for item in _checked_list(data["apis"])]
        domains = [_checked(DomainRecord(**item)) for item in _checked_list(data["domains"])]
        self.apis = {record.api["apiId"]: record for record in apis}
        self.domains = {record.domain["domainName"]: record for record in domains}


def _as_dict(record: ApiRecord | DomainRecord) -> Wire:
    """Return the fields as a dict. Unlike `dataclasses.asdict`, this copies no values."""
    return {item.name: getattr(record, item.name) for item in fields(record)}


def _checked_list(value: object) -> list[Wire]:
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value


def _checked(record: Record) -> Record:
    """Return `record` if its fields have the right types: a file that was edited can hold anything."""
    for item in fields(record):
        value = getattr(record, item.name)
        required = item.default is MISSING and item.default_factory is MISSING
        kind = dict if required or item.default_factory is dict else type(item.default)
        kind = list if item.default_factory is list else kind
        values = value.values() if isinstance(value, dict) and not required else ()
        if not isinstance(value, kind) or not all(isinstance(inner, dict) for inner in values):
            raise TypeError(f"{item.name} is not a {kind.__name__}")
    return record


def find_in(resources: dict[str, Wire], key: str, kind: str) -> Wire:
    """Return the resource of that id, or raise `NotFoundError` naming its kind."""
    resource = resources.get(key)
    if resource is None:
        raise NotFoundError(f"Invalid {kind} identifier specified", resourceType=kind)
    return resource
