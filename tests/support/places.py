"""The custom domain of a gateway, as somebody at the console sees it: domain, certificate, records in DNS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ZONE_OF_THE_LOCAL_GATEWAY = "ZLOCALGATEWAY00"


@dataclass(frozen=True)
class Place:
    """A domain name with its certificate, and with a hosted zone if DNS is kept in Route 53."""

    name: str
    certificate_arn: str
    import_certificate: Callable[[str], str] | None = None
    """Makes another certificate for the name; None where only the given one exists."""
    zone_id: str = ""
    route53: Any = None

    @property
    def row_fields(self) -> dict[str, str]:
        """What the gateway's row says of it."""
        return {
            "domain_name": self.name,
            "certificate_arn": self.certificate_arn,
            "hosted_zone_id": self.zone_id,
        }

    @property
    def options(self) -> tuple[str, ...]:
        """The same as options of `create_gateway`."""
        zone = ("--hosted-zone-id", self.zone_id) if self.zone_id else ()
        return ("--domain", self.name, "--certificate-arn", self.certificate_arn, *zone)

    def records(self) -> list[dict[str, Any]]:
        """The records of the name; none without a hosted zone."""
        if not self.zone_id:
            return []
        found = self.route53.list_resource_record_sets(HostedZoneId=self.zone_id)["ResourceRecordSets"]
        return [item for item in found if item["Name"].rstrip(".") == self.name]

    def records_to(self, target: str) -> list[dict[str, Any]]:
        """Those that lead to the host of a domain."""
        aliases = [item for item in self.records() if "AliasTarget" in item]
        return [item for item in aliases if item["AliasTarget"]["DNSName"].rstrip(".") == target]

    def record(self, record_type: str) -> dict[str, Any]:
        return next(item for item in self.records() if item["Type"] == record_type)

    def change(self, action: str, record: dict[str, Any]) -> None:
        """CREATE, UPSERT or DELETE a record."""
        self.route53.change_resource_record_sets(
            HostedZoneId=self.zone_id,
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
        )

    def alias(
        self, record_type: str, target: str, zone_id: str = ZONE_OF_THE_LOCAL_GATEWAY
    ) -> dict[str, Any]:
        """An alias record of the name."""
        to = {"HostedZoneId": ZONE_OF_THE_LOCAL_GATEWAY, "DNSName": target, "EvaluateTargetHealth": False}
        return {"Name": self.name, "Type": record_type, "AliasTarget": to}

    def put_records_back(self, target: str) -> None:
        """Leave nothing in the zone but the record that leads to `target`."""
        for record in self.records():
            self.change("DELETE", record)
        self.change("UPSERT", self.alias("A", target))
