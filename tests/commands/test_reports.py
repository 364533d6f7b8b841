"""Every report of `--format json` is as the schema in the documentation says, and has nothing beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.commands.changes import add_route
from tests.commands.domains import CREATE, DOMAIN
from tests.factories import ApiGatewayFactory
from tests.legacy import schema as legacy
from tests.sink import Sink
from tests.support.commands import TARGET, Ended, run
from tests.support.moto import Moto
from websocket_gateway.management.commands.purge_connections import _WORDS as COUNTS
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.plan import Action, Kind
from websocket_gateway.purging.report import Part
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "management_docs" / "reports.schema.json").read_text()
)


def valid(name: str, ended: Ended) -> Any:
    """The report, once it is as the definition `name` says."""
    report = json.loads(ended.stdout)
    Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{name}"}]}).validate(report)
    return report


def sync(*options: str) -> Any:
    return valid("sync_routes", run("sync_routes", *options, "--format", "json"))


def test_the_schema_is_one_and_closed() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    definitions = SCHEMA["$defs"]
    objects = [text for text in definitions.values() if text.get("type") == "object"]

    assert len(objects) > 8
    assert [item for item in objects if "additionalProperties" not in item] == []
    assert definitions["kind"]["enum"] == [kind.value for kind in Kind]
    assert definitions["step"]["properties"]["action"]["enum"] == [action.value for action in Action]
    assert set(COUNTS) <= set(definitions["purge_connections"]["properties"])


def test_create_dry_and_done(django_local_gateway: GatewayHandle) -> None:
    dry = valid("create_gateway", run(*CREATE, "--dry-run", "--format", "json"))
    done = valid("create_gateway", run(*CREATE, "--format", "json"))
    again = valid("create_gateway", run("create_gateway", "--format", "json"))

    assert (dry["dry_run"], dry["api_id"], done["dry_run"], again["steps"]) == (True, "", False, [])


def test_a_custom_domain(django_local_gateway: GatewayHandle, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)

    report = valid("create_gateway", run(*CREATE, "--domain", DOMAIN, "--format", "json"))

    assert {step["kind"] for step in report["steps"]} >= {"domain", "api mapping"}
    assert report["dns_record"].startswith(f"{DOMAIN} CNAME ")


def test_sync_with_everything_that_can_differ(aws: Any, chat: ApiGateway) -> None:
    add_route(aws, chat.api_id, "orders", "https://www.example.com/orders")
    aws.update_api(ApiId=chat.api_id, Name="other")
    variables = {"shape": "round"}
    aws.update_stage(ApiId=chat.api_id, StageName="production", StageVariables=variables)
    ApiGatewayFactory.create(planned=True, api_name="later")

    checked = sync("--check")
    mended = sync("--prune", "--no-input")
    after = sync("chat")

    (gateway,) = checked["gateways"]
    assert [item["value"] for item in gateway["unmanaged"]] == [variables]
    assert {item["kind"] for item in gateway["left"]} == {"route", "integration"} or gateway["left"]
    assert [item["gateway"] for item in checked["skipped"]] == ["later"]
    assert (checked["drift"], mended["gateways"][0]["dry_run"]) == (True, False)
    assert (after["drift"], after["gateways"][0]["steps"], after["skipped"]) == (False, [], [])


@pytest.mark.parametrize("gateways", [1, 2])
def test_a_gateway_that_fails_is_in_the_report(
    gateways: int, chat: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    if gateways == 2:
        assert run("create_gateway", "talk", *TARGET).status == 0
    ApiGateway.objects.filter(pk=chat.pk).update(api_id="gone000000")

    ended = run("sync_routes", "--check", "--format", "json")

    report = valid("sync_routes", ended)
    assert [item["gateway"] for item in report["failed"]] == ["chat"]
    assert "AWS does not know API 'gone000000'" in report["failed"][0]["error"]
    assert len(report["gateways"]) == gateways - 1
    assert (ended.status, ended.stderr.splitlines()[-1]) == (1, "Not checked: chat.")


def test_nothing_at_all_is_a_report(django_local_gateway: GatewayHandle) -> None:
    assert sync() == {"drift": False, "gateways": [], "failed": [], "skipped": []}


def test_delete_dry_done_and_gone(chat: ApiGateway) -> None:
    options = ("delete_gateway", "chat", "--no-input", "--format", "json")

    reports = [valid("delete_gateway", run(*options, *more)) for more in (("--dry-run",), (), ())]

    assert [report["drift"] for report in reports] == [True, True, False]
    assert reports[2]["steps"] == []


@pytest.mark.usefixtures("old_tables")
def test_an_import() -> None:
    legacy.add_gateway(api_name="chat")

    report = valid("import_legacy_gateways", run("import_legacy_gateways", "--format", "json"))

    assert [item["name"] for item in report["gateways"]] == ["chat"]


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--only", Part.TOKENS.value), ("--verify",)])
def test_a_purge(options: tuple[str, ...]) -> None:
    report = valid("purge_connections", run("purge_connections", *options, "--format", "json"))

    assert report["dry_run"] is ("--dry-run" in options)


def test_findings(chat: ApiGateway) -> None:
    report = valid("check_ws_settings", run("check_ws_settings", "--deploy", "--format", "json"))

    assert report["errors"] + report["warnings"] == len(report["findings"]) > 0


@pytest.mark.usefixtures("lobby")
def test_a_broadcast_with_a_failure(sink: Sink) -> None:
    sink.answers["lobby1="] = 403

    report = valid("broadcast", run("broadcast", "lobby", "{}", "--format", "json"))

    assert (report["delivered"], report["failed"], len(report["failures"])) == (2, 1, 1)


@pytest.mark.usefixtures("lobby", "enqueued")
def test_a_broadcast_of_the_queue(sink: Sink) -> None:
    started = valid("broadcast_run", run("broadcast", "lobby", "{}", "--enqueue", "--format", "json"))
    number = str(started["broadcast"])

    shown = valid("broadcast_run", run("broadcast", "--status", number, "--format", "json"))

    assert (shown["broadcast"], shown["expected"]) == (started["broadcast"], 3)


def test_an_offset_of_a_history(settings: Any, sink: Sink) -> None:
    settings.WEBSOCKET_GATEWAY = {"CHANNELS": {"lobby": {"HISTORY_MESSAGES": 5}}}

    report = valid("broadcast", run("broadcast", "lobby", "{}", "--format", "json"))

    assert report["offset"] == 1
