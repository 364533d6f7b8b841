"""Alias records as Route 53 keeps them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.stub import Stubber

from tests.support.moto import Moto
from websocket_gateway.aws.clients import dns_client
from websocket_gateway.aws.dns import Dns, Zone
from websocket_gateway.resources import AliasRecord

REGION = "eu-west-1"
RECORD = AliasRecord(
    name="ws.example.com",
    record_type="A",
    target="d-abc.execute-api.eu-west-1.amazonaws.com",
    target_zone_id="ZLJOGWSK5J2E5",
    evaluates_health=False,
)


def dns() -> Dns:
    return Dns(region=REGION, client=dns_client(REGION))


def test_a_zone_is_read_with_its_name(moto: Moto) -> None:
    assert dns().find_zone(moto.create_zone("example.com")) == Zone("example.com", is_private=False)


@pytest.mark.parametrize("zone_id", ["ZNONE", "not/a/zone"])
def test_a_zone_that_is_not_there_is_none(moto: Moto, zone_id: str) -> None:
    assert dns().find_zone(zone_id) is None


def test_a_record_comes_back_as_it_was_put(moto: Moto) -> None:
    zone_id = moto.create_zone("example.com")

    dns().upsert(zone_id, RECORD)

    assert dns().find_records(zone_id, RECORD.name) == (RECORD,)


def test_a_record_is_replaced_by_the_next_upsert(moto: Moto) -> None:
    zone_id = moto.create_zone("example.com")
    other = replace(RECORD, target="d-xyz.execute-api.eu-west-1.amazonaws.com")
    dns().upsert(zone_id, RECORD)

    dns().upsert(zone_id, other)

    assert dns().find_records(zone_id, RECORD.name) == (other,)


def test_only_the_addresses_of_that_very_name_are_found(moto: Moto) -> None:
    zone_id = moto.create_zone("example.com")
    dns().upsert(zone_id, RECORD)
    dns().upsert(zone_id, replace(RECORD, record_type="AAAA"))
    dns().upsert(zone_id, replace(RECORD, name="wss.example.com"))

    found = dns().find_records(zone_id, RECORD.name)

    assert [(item.name, item.record_type) for item in found] == [(RECORD.name, "A"), (RECORD.name, "AAAA")]


def test_a_record_that_is_no_alias_shows_where_it_leads(moto: Moto) -> None:
    zone_id = moto.create_zone("example.com")
    entry = {"Name": RECORD.name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "b.example.net"}]}
    moto.route53.change_resource_record_sets(
        HostedZoneId=zone_id, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": entry}]}
    )

    (found,) = dns().find_records(zone_id, RECORD.name)

    assert (found.record_type, found.target, found.target_zone_id) == ("CNAME", "b.example.net", "")


def test_a_record_is_deleted_and_deleting_it_again_is_no_error(moto: Moto) -> None:
    zone_id = moto.create_zone("example.com")
    dns().upsert(zone_id, RECORD)

    dns().delete_record(zone_id, RECORD)
    dns().delete_record(zone_id, RECORD)

    assert moto.records(zone_id) == {}


def test_a_change_is_waited_for_until_it_is_insync() -> None:
    client = dns_client(REGION)
    lines: list[str] = []
    waiting = {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": "2026-01-01T00:00:00Z"}
    with Stubber(client) as stubber:
        stubber.add_response("change_resource_record_sets", {"ChangeInfo": waiting})
        stubber.add_response("get_change", {"ChangeInfo": waiting}, {"Id": "/change/C1"})
        stubber.add_response("get_change", {"ChangeInfo": {**waiting, "Status": "INSYNC"}})
        Dns(region=REGION, client=client, on_wait=lines.append, sleep=lambda seconds: None).upsert(
            "Z1", RECORD
        )
        stubber.assert_no_pending_responses()

    assert set(lines) == {"waiting until DNS record A ws.example.com is INSYNC"}
