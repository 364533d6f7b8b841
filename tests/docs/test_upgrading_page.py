"""The page on upgrading: every path that was documented before the regrouping leads to one that exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from pkgutil import resolve_name

import pytest

from tests.docs.pages import blocks_of, names, section, table_rows
from websocket_gateway.conf import GatewaySettings

# The pages of commit 0f8ccb61 name these; all begin with `websocket_gateway.`.
FORMER = """
    routing.requires routing.OVERRIDABLE_HANDLERS
    events.ConnectEvent events.DisconnectEvent events.MessageEvent events.Event events.parse_event
    services.broadcasting.send services.broadcasting.broadcast
    services.asynchronous.asend services.asynchronous.abroadcast
    services.delivery.SendOptions services.reports.DeliveryReport services.reports.Failure
    services.background.background_backend
    services.runs.create_run services.runs.enqueue_run services.runs.resume_run
    services.runs.resume_expired_shards services.runs.cancel_run services.working.work_until_finished
    services.summaries.summarize services.summaries.recent_runs services.summaries.RunSummary
    services.connections.revoke services.clients.find_socket_url
    services.channels.find_channel_permission services.channels.is_admitted
    services.purging.purge services.purging.count_purgeable services.purging.Part services.purging.PurgeReport
    checks.probing.diagnose checks.probing.Diagnosis
    services.tokens.issue_token services.tokens.consume_token
    services.tokens.hash_session_auth services.tokens.hash_session_key
    services.limits.count_attempt services.messages.encode_message
    wire.MAX_MESSAGE_BYTES wire.ORIGIN_SECRET_HEADER aws.session.is_loopback aws.session.resolve_region
"""
PATHS = [
    pair
    for before, now in table_rows(section("upgrading.md", "## Import paths"))
    for pair in zip(names(before), names(now), strict=True)
]


def test_every_former_path_stands_in_the_table_once() -> None:
    former = [before for before, _ in PATHS if not before.startswith("models.")]

    assert sorted(former) == sorted(FORMER.split())


@pytest.mark.parametrize(("before", "now"), PATHS, ids=[before for before, _ in PATHS])
def test_the_new_path_exists_and_the_former_one_does_not(before: str, now: str) -> None:
    resolve_name(f"websocket_gateway.{now}")
    module, _, name = f"websocket_gateway.{before}".rpartition(".")
    with pytest.raises((ImportError, AttributeError)):
        # The class of a model stays; what it lost is an attribute.
        getattr(resolve_name(module), name)


@pytest.mark.parametrize("module", sorted({path.rpartition(".")[0] for path in FORMER.split()}))
def test_an_import_of_a_former_module_names_it(module: str) -> None:
    with pytest.raises(ImportError, match=f"websocket_gateway.{module.partition('.')[0]}"):
        __import__(f"websocket_gateway.{module}", fromlist=["anything"])


def test_the_search_finds_every_way_to_import_a_former_path(tmp_path: Path) -> None:
    former = [path.rpartition(".") for path in FORMER.split()]
    lines = [f"from websocket_gateway.{module} import {name}" for module, _, name in former]
    lines += [f"import websocket_gateway.{module}" for module, _, _ in former]
    lines += ["from websocket_gateway import wire", "from websocket_gateway import models, routing"]
    new = [now.rpartition(".") for _, now in PATHS]
    current = [f"from websocket_gateway.{module} import {name}" for module, _, name in new]
    (tmp_path / "shop.py").write_text("\n".join([*lines, *current]))
    (search,) = blocks_of("upgrading.md", "sh")

    found = subprocess.run(
        ["bash", "-c", search.text], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout

    assert [line.split(":", 2)[2] for line in found.splitlines()] == lines


def test_the_settings_that_it_names_exist_with_the_values_that_it_gives() -> None:
    told = dict(table_rows(section("upgrading.md", "## Settings")))
    defaults = GatewaySettings()

    for name, value in told.items():
        (setting,) = names(name)
        number = re.match(r"(?:new: )?(\d+)\b", value)
        if number:
            assert getattr(defaults, setting.lower()) == int(number[1])
        assert hasattr(defaults, setting.lower())


def test_every_migration_since_then_stands_in_the_table() -> None:
    folder = Path(__file__).resolve().parents[2] / "websocket_gateway/migrations"
    told = [name for row in table_rows(section("upgrading.md", "## Migrations")) for name in names(row[0])]

    assert told == sorted(path.name[:4] for path in folder.glob("0*.py"))[1:]
