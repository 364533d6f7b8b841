"""Which API and stage a request means: by the path on the default endpoint, by Host on a custom domain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from websocket_gateway.local.errors import NotFoundError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.options import is_loopback
from websocket_gateway.local.store import DomainRecord, Store

_DEFAULT_PATH = re.compile(r"/_api/([^/]+)/([^/]+)(/.*)?")
CONNECTIONS_PATH = "/@connections/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A stage, the deployment it serves, and what of the path is left."""

    api_id: str
    stage: Wire
    snapshot: Wire
    rest: str
    custom_domain: bool


def host_name(host: str) -> str:
    """The Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def find_address(store: Store, host: str, raw_path: str) -> Address | None:
    """The deployed stage that host and path lead to, or `None`."""
    name = host_name(host)
    if is_loopback(name):
        match = _DEFAULT_PATH.fullmatch(raw_path)
        if match is None:
            return None
        return _address(store, unquote(match[1]), unquote(match[2]), match[3] or "/", custom_domain=False)
    domain = _find_domain(store, name)
    if domain is None:
        return None
    first, _, rest = raw_path.removeprefix("/").partition("/")
    by_key = {mapping["apiMappingKey"]: mapping for mapping in domain.mappings.values()}
    key = unquote(first)
    mapping = by_key.get(key) if key else None
    if mapping is not None:
        return _address(store, mapping["apiId"], mapping["stage"], f"/{rest}", custom_domain=True)
    if "" in by_key:
        return _address(store, by_key[""]["apiId"], by_key[""]["stage"], raw_path, custom_domain=True)
    return None


def _find_domain(store: Store, name: str) -> DomainRecord | None:
    return store.domains.get(name) or store.domains.get(f"*.{name.partition('.')[2]}")


def _address(store: Store, api_id: str, stage_name: str, rest: str, *, custom_domain: bool) -> Address | None:
    found = find_served(store, api_id, stage_name)
    if found is None:
        return None
    stage, snapshot = found
    return Address(api_id=api_id, stage=stage, snapshot=snapshot, rest=rest, custom_domain=custom_domain)


def find_served(store: Store, api_id: str, stage_name: str) -> tuple[Wire, Wire] | None:
    """The stage and the snapshot of the deployment it serves, if it serves one."""
    try:
        record = store.find_api(api_id)
    except NotFoundError:
        return None
    stage = record.stages.get(stage_name)
    snapshot = record.snapshots.get(stage.get("deploymentId", "")) if stage else None
    return (stage, snapshot) if stage is not None and snapshot is not None else None
