"""The plan that takes a gateway down, and what it says of names that may go on leading nowhere."""

from __future__ import annotations

from dataclasses import replace

from tests.provisioning.planning.builders import API_ID, MARK, UUID, built, wanted_gateway
from websocket_gateway.provisioning.plan import Kind
from websocket_gateway.provisioning.planning.gateway import plan_gateway
from websocket_gateway.provisioning.planning.leftovers import plan_deletion
from websocket_gateway.resources import (
    AliasRecord,
    ApiMapping,
    Domain,
    ObservedDomain,
    ObservedGateway,
    frozen,
)

DOMAIN = Domain(
    domain_name="ws.example.com",
    certificate_arn="arn:aws:acm:eu-west-1:123456789012:certificate/1",
    tags=frozen(MARK.tags),
    target="d-1.execute-api.eu-west-1.amazonaws.com",
    target_zone_id="Z1",
    domain_name_status="AVAILABLE",
)
MAPPING = ApiMapping(api_id=API_ID, stage="production", api_mapping_id="m1")
RECORD = AliasRecord(
    name=DOMAIN.domain_name, record_type="A", target=DOMAIN.target, target_zone_id=DOMAIN.target_zone_id
)
REMARK = "if DNS still has a record for ws.example.com, delete it by hand: what it led to is gone"


def observed(seen: ObservedDomain) -> ObservedGateway:
    return replace(built(wanted_gateway()), domain=seen)


def test_what_leads_to_a_thing_goes_before_it() -> None:
    seen = ObservedDomain(domain=DOMAIN, mappings=(MAPPING,), records=(RECORD,))

    plan = plan_deletion("chat", observed(seen), uuid=UUID, api_id=API_ID, record=())

    assert [step.kind for step in plan] == [Kind.DNS_RECORD, Kind.API_MAPPING, Kind.DOMAIN, Kind.API]
    assert plan.notes == ()


def test_a_name_that_somebody_else_keeps_in_dns_is_remarked_upon() -> None:
    seen = ObservedDomain(domain=DOMAIN, mappings=(MAPPING,))

    plan = plan_deletion("chat", observed(seen), uuid=UUID, api_id=API_ID, record=())

    assert plan.notes == (REMARK,)


def test_a_record_that_leads_elsewhere_stays() -> None:
    elsewhere = replace(RECORD, target="d-2.execute-api.eu-west-1.amazonaws.com")
    seen = ObservedDomain(domain=DOMAIN, mappings=(MAPPING,), records=(elsewhere,))

    plan = plan_deletion("chat", observed(seen), uuid=UUID, api_id=API_ID, record=())

    assert Kind.DNS_RECORD not in [step.kind for step in plan]


def test_a_shared_domain_stays_with_the_paths_of_others() -> None:
    other = ApiMapping(api_id="other", stage="production", api_mapping_key="other", api_mapping_id="m2")
    seen = ObservedDomain(domain=DOMAIN, mappings=(MAPPING, other), records=(RECORD,))

    plan = plan_deletion("chat", observed(seen), uuid=UUID, api_id=API_ID, record=())

    assert [step.kind for step in plan] == [Kind.API_MAPPING, Kind.API]
    assert plan.notes == ("domain ws.example.com stays: other gateways use it",)


def test_a_domain_that_somebody_else_made_stays() -> None:
    seen = ObservedDomain(domain=replace(DOMAIN, tags=frozen({})), mappings=(MAPPING,), records=(RECORD,))

    plan = plan_deletion("chat", observed(seen), uuid=UUID, api_id=API_ID, record=())

    assert [step.kind for step in plan] == [Kind.API_MAPPING, Kind.API]
    assert plan.notes == ("domain ws.example.com stays: it was not made for this gateway",)


def test_pruning_an_earlier_domain_remarks_upon_its_name_too() -> None:
    former = ObservedDomain(domain=DOMAIN, mappings=(MAPPING,))
    state = replace(built(wanted_gateway()), former_domains=(former,))

    left = plan_gateway(wanted_gateway(), state)
    pruned = plan_gateway(wanted_gateway(), state, prune=True)

    assert ([step.kind for step in left.left], left.notes) == ([Kind.API_MAPPING, Kind.DOMAIN], ())
    assert [step.kind for step in pruned] == [Kind.API_MAPPING, Kind.DOMAIN]
    assert pruned.notes == (REMARK,)
