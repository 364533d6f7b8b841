"""What a page spells out exists: files, modules, targets, ids, settings. Nothing speaks of what is gone."""

from __future__ import annotations

import re
from dataclasses import fields
from inspect import get_annotations
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, all_pages, name_of, names, prose
from tests.docs.test_moving_over import is_importable
from websocket_gateway.conf import GatewayOptions, GatewaySettings
from websocket_gateway.local.options import Quirks
from websocket_gateway.views import WebSocketView
from websocket_gateway.views.hooks import WebSocketHooks

PAGES = [page for page in all_pages() if page.name != "CHANGELOG.md"]
ALL = pytest.mark.parametrize("page", PAGES, ids=map(name_of, PAGES))
FOLDERS = (
    "tests|management_docs|websocket_gateway|sample_project|aws|provisioning|receiving|sending|connections|channels"
    "|purging|diagnostics|checks|legacy|views|local"
)
LOGGERS = {"websocket_gateway.local", "websocket_gateway.security", "websocket_gateway.connections"}


@ALL
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()

    called = [re.search(r"\bmake ([a-z]+)", span) for span in names(text)]
    named = {found[1] for found in called if found} | set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE))

    assert named <= targets


@ALL
def test_every_file_of_the_repository_exists(page: Path) -> None:
    named = [name for name in names(prose(name_of(page))) if re.fullmatch(rf"(?:{FOLDERS})/[\w./-]*", name)]
    named = [name for name in named if "NAME" not in name]
    places = [ROOT, ROOT / "websocket_gateway", ROOT / "websocket_gateway/static", ROOT / "management_docs"]

    assert [name for name in named if not any((place / name).exists() for place in places)] == []


@ALL
def test_every_module_and_name_of_ours_that_is_spelled_out_exists(page: Path) -> None:
    named = {
        name.partition("(")[0]
        for name in names(prose(name_of(page)))
        if re.fullmatch(r"(?:websocket_gateway)\.[\w.]+(?:\(.*\))?", name)
    }
    no_modules = re.compile(r"websocket_gateway\.([a-z]+_[a-z]+|[EW]\d+)")
    wanted = [name for name in named - LOGGERS if not no_modules.fullmatch(name)]

    full = [name if name.startswith("websocket_gateway") else f"websocket_gateway.{name}" for name in wanted]

    assert [name for name in full if not is_importable(name)] == []


@ALL
def test_every_id_of_a_check_exists(page: Path) -> None:
    known = set(
        re.findall(r"^\| `([EW]\d{3})`", (ROOT / "management_docs/checks.md").read_text(), re.MULTILINE)
    )

    assert set(re.findall(r"\b([EW]\d{3})\b", page.read_text())) <= known


@ALL
def test_every_key_of_the_settings_exists(page: Path) -> None:
    known = {item.name.upper() for cls in (GatewaySettings, GatewayOptions) for item in fields(cls)}
    ours = re.compile(
        r"((?:SEND|TOKEN|TASK|RATE_LIMIT|MAX_AGE|SESSION_RETENTION|THROTTLING)_[A-Z_]+)(?: = .*)?"
    )
    # The other package's names stand in the first column of the tables there.
    text = (
        re.sub(r"^\| [^|]+\|", "|", prose(name_of(page)), flags=re.MULTILINE)
        if "moving" in page.name
        else prose(name_of(page))
    )

    named = set(re.findall(r'WEBSOCKET_GATEWAY\["(\w+)"\]', text))
    named |= {found[1] for found in map(ours.fullmatch, names(text)) if found}

    assert {name for name in named - known if not hasattr(WebSocketView, name)} == set()


@ALL
def test_every_attribute_or_hook_that_a_page_gives_to_the_view_exists(page: Path) -> None:
    named = set(re.findall(r"`WebSocketView\.(\w+)", prose(name_of(page))))
    known = {*dir(WebSocketView), *get_annotations(WebSocketHooks)}

    assert named <= known


@ALL
def test_every_quirk_that_is_asked_for_exists(page: Path) -> None:
    named = set(re.findall(r"--quirk ([a-z_]+)=", page.read_text()))

    assert named <= {item.name for item in fields(Quirks)}
