"""Alias records in Route 53.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-regional-api-custom-domain-create.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from websocket_gateway.aws.calls import Calls
from websocket_gateway.exceptions import InvalidRequestError, NotFoundError
from websocket_gateway.resources import AliasRecord

_ADDRESSES: Final = ("A", "AAAA", "CNAME")
_POLL_SECONDS: Final = 2.0
_POLLS: Final = 90
"""Route 53 promises a change everywhere within 60 seconds, usually."""


class Zone(NamedTuple):
    """A hosted zone."""

    name: str
    """Without its last dot."""
    is_private: bool
    """Whether only the VPCs that it belongs to resolve its names."""


class Dns(Calls):
    """Every call about the records of hosted zones."""

    def find_zone(self, hosted_zone_id: str) -> Zone | None:
        """The hosted zone of that id; None if the account has no such zone."""
        try:
            zone = self.call("get_hosted_zone", Id=hosted_zone_id).get("HostedZone") or {}
        except (NotFoundError, InvalidRequestError):
            return None
        return Zone(
            name=str(zone.get("Name") or "").rstrip(".").lower(),
            is_private=bool((zone.get("Config") or {}).get("PrivateZone")),
        )

    def find_records(self, hosted_zone_id: str, name: str) -> tuple[AliasRecord, ...]:
        """The A, AAAA and CNAME records of a name."""
        answer = self.call(
            "list_resource_record_sets",
            HostedZoneId=hosted_zone_id,
            StartRecordName=name,
            StartRecordType="A",
            MaxItems="20",
        )
        found = (_read(item) for item in answer.get("ResourceRecordSets") or ())
        return tuple(item for item in found if item.name == name and item.record_type in _ADDRESSES)

    def upsert(self, hosted_zone_id: str, record: AliasRecord) -> None:
        """Create or replace an alias record, and wait until every server of the zone has it."""
        self._change(hosted_zone_id, record, "UPSERT")

    def delete_record(self, hosted_zone_id: str, record: AliasRecord) -> None:
        """Delete an alias record, exactly as it was read; one that is gone already is not an error."""
        try:
            self._change(hosted_zone_id, record, "DELETE")
        except InvalidRequestError:
            if record in self.find_records(hosted_zone_id, record.name):
                raise

    def _change(self, hosted_zone_id: str, record: AliasRecord, action: str) -> None:
        target = {
            "HostedZoneId": record.target_zone_id,
            "DNSName": record.target,
            "EvaluateTargetHealth": bool(record.evaluates_health),
        }
        entry = {"Name": record.name, "Type": record.record_type, "AliasTarget": target}
        answer = self.call(
            "change_resource_record_sets",
            HostedZoneId=hosted_zone_id,
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": entry}]},
        )
        self._wait(answer.get("ChangeInfo") or {}, record)

    def _wait(self, change: Mapping[str, object], record: AliasRecord) -> None:
        for _ in range(_POLLS):
            if change.get("Status") != "PENDING":
                return
            self.on_wait(f"waiting until DNS record {record.record_type} {record.name} is INSYNC")
            self.sleep(_POLL_SECONDS)
            change = self.call("get_change", Id=change["Id"]).get("ChangeInfo") or {}
        self.on_wait(f"DNS record {record.name} is still PENDING; it becomes visible later")


def _read(item: Mapping[str, Any]) -> AliasRecord:
    target = item.get("AliasTarget") or {}
    values = [str(value.get("Value")) for value in item.get("ResourceRecords") or ()]
    return AliasRecord(
        # Route 53 writes a wildcard's asterisk as an escape.
        name=str(item.get("Name") or "").rstrip(".").lower().replace("\\052", "*"),
        record_type=str(item.get("Type") or ""),
        target=str(target.get("DNSName") or ", ".join(values)).rstrip(".").lower(),
        target_zone_id=str(target.get("HostedZoneId") or ""),
        evaluates_health=bool(target.get("EvaluateTargetHealth")),
        set_identifier=str(item.get("SetIdentifier") or ""),
    )
