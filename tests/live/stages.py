"""Single calls about stages, deployments and domains: see `values`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.live.values import AS_WRITTEN, STAGE, WANTED_STAGE, Bench, outcome, seen_as
from tests.support.places import Place
from websocket_gateway.aws.domains import Domains
from websocket_gateway.origin_secret import installation_fingerprint
from websocket_gateway.resources import INSTALLATION_TAG, ApiMapping, Domain, frozen


def _stage_created(bench: Bench) -> str:
    bench.apis.create_stage(bench.api_id, replace(WANTED_STAGE, tags=frozen({"team": "web"})))
    found = (item for item in bench.apis.list_stages(bench.api_id) if item.stage_name == STAGE)
    return seen_as(replace(WANTED_STAGE, tags=frozen({"team": "web"})), next(found, None))


def _stage_defaults(bench: Bench) -> str:
    bench.add_stage("plain")
    found = bench.stage("plain").get("DefaultRouteSettings") or {}
    names = ("ThrottlingRateLimit", "ThrottlingBurstLimit", "LoggingLevel", "DataTraceEnabled")
    return ", ".join(f"{name} {found.get(name)}" for name in names)


def _settings_merged(bench: Bench) -> str:
    bench.add_stage("merged", DefaultRouteSettings={"ThrottlingRateLimit": 5.0, "ThrottlingBurstLimit": 6})
    settings = bench.update_stage("merged", DefaultRouteSettings={"ThrottlingRateLimit": 7.0})
    found = settings.get("DefaultRouteSettings") or {}
    return f"rate {found.get('ThrottlingRateLimit')}, burst {found.get('ThrottlingBurstLimit')}"


def _variables_merged(bench: Bench) -> dict[str, str]:
    bench.add_stage("variables", StageVariables={"a": "1", "b": "2"})
    changed = bench.update_stage("variables", StageVariables={"b": "", "c": "3"})
    return dict(sorted(changed["StageVariables"].items()))


def _description_emptied(bench: Bench) -> str:
    bench.add_stage("described", Description="before")
    return repr(bench.update_stage("described", Description="").get("Description") or "")


def _route_settings(bench: Bench) -> str:
    bench.add_route("limited")
    bench.add_stage("limits")
    limits = {"limited": {"ThrottlingRateLimit": 1.0, "ThrottlingBurstLimit": 1}}
    before = bench.update_stage("limits", RouteSettings=limits).get("RouteSettings") or {}
    bench.apis.delete_route_settings(bench.api_id, "limits", "limited")
    after = bench.stage("limits").get("RouteSettings") or {}
    return f"{list(before)} -> {list(after)}"


def _stage_tagged(bench: Bench) -> dict[str, str]:
    bench.add_stage("tagged", Tags={"team": "web", "cost": "7"})
    bench.apis.tag_stage(bench.api_id, "tagged", {"team": "ops"})
    bench.apis.untag_stage(bench.api_id, "tagged", ["cost"])
    return dict(bench.stage("tagged").get("Tags") or {})


def _stage_twice(bench: Bench) -> str:
    bench.add_stage("double")
    return outcome(lambda: bench.add_stage("double"))


def _deployed(bench: Bench) -> str:
    bench.add_route("$default")
    bench.add_stage("served")
    made = bench.apis.create_deployment(bench.api_id, stage_name="served", description="live: 0123")
    found = bench.apis.find_deployment(bench.api_id, made.deployment_id)
    served = bench.stage("served").get("DeploymentId") == made.deployment_id
    description = found.description if found else None
    return f"{'served' if served else 'not served'}, described {description!r}"


def _deployed_nowhere(bench: Bench) -> str:
    return outcome(lambda: bench.aws.create_deployment(ApiId=bench.api_id, StageName="nowhere"))


STAGE_CASES: dict[str, tuple[object, Callable[[Bench], object]]] = {
    "stage created": (AS_WRITTEN, _stage_created),
    "defaults of a stage": (
        "ThrottlingRateLimit 10000.0, ThrottlingBurstLimit 5000, LoggingLevel OFF, DataTraceEnabled False",
        _stage_defaults,
    ),
    "UpdateStage merges the route settings": ("rate 7.0, burst 6", _settings_merged),
    "UpdateStage merges variables, an empty value removes": ({"a": "1", "c": "3"}, _variables_merged),
    "an empty stage description": ("'before'", _description_emptied),
    "settings of one route": ("['limited'] -> []", _route_settings),
    "stage's tags": ({"team": "ops"}, _stage_tagged),
    "a second stage of a name": ("ConflictException", _stage_twice),
    "deployment of a stage": ("served, described 'live: 0123'", _deployed),
    "deployment of a stage that is missing": ("NotFoundException", _deployed_nowhere),
}


def _domains(bench: Bench) -> Domains:
    return Domains(region=bench.target.region, client=bench.aws, throttled_attempts=8)


def _wanted_domain(bench: Bench, place: Place) -> Domain:
    return Domain(
        domain_name=place.name,
        certificate_arn=place.certificate_arn,
        ip_address_type="ipv4",
        tags=frozen({INSTALLATION_TAG: installation_fingerprint()}),
    )


def try_domain(bench: Bench, place: Place, note: Callable[[str, object, object], str]) -> list[str]:
    """A domain with the given certificate, its mapping, and both gone again; returns what failed."""
    domains, wanted = _domains(bench), _wanted_domain(bench, place)
    name = wanted.domain_name
    failures = [note("domain created", "done", outcome(lambda: domains.create_domain(wanted)))]
    try:
        failures.append(note("domain read", AS_WRITTEN, seen_as(wanted, domains.find_domain(name))))
        listed = name in [item.domain_name for item in domains.list_domains()]
        failures.append(note("domain in the list", True, listed))
        failures.extend(_try_mapping(bench, domains, name, note))
    finally:
        domains.delete_domain(name)
    failures.append(note("domain deleted", None, domains.find_domain(name)))
    return list(filter(None, failures))


def _try_mapping(
    bench: Bench, domains: Domains, name: str, note: Callable[[str, object, object], str]
) -> Iterator[str]:
    bench.add_stage("mapped")
    mapping = ApiMapping(api_mapping_key="chat", api_id=bench.api_id, stage="mapped")
    made = domains.create_mapping(name, mapping)
    found = [item for item in domains.list_mappings(name) if item.api_mapping_id == made]
    yield note("mapping created", AS_WRITTEN, seen_as(mapping, found[0] if found else None))
    in_use = outcome(lambda: bench.aws.delete_stage(ApiId=bench.api_id, StageName="mapped"))
    yield note("stage of a mapping deleted", "BadRequestException", in_use)
    api_in_use = outcome(lambda: bench.aws.delete_api(ApiId=bench.api_id))
    yield note("API of a mapping deleted", "BadRequestException", api_in_use)
    domains.delete_mapping(name, made)
    yield note("mapping deleted", 0, len(domains.list_mappings(name)))
