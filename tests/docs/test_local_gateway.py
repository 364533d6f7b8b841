"""The local gateway: quirks, faults, options and the handle that tests get."""

from __future__ import annotations

import re
from dataclasses import fields

from tests.docs.pages import names, read, section, table_rows
from websocket_gateway.local import options
from websocket_gateway.local.options import Faults
from websocket_gateway.testing.gateway import GatewayHandle

IN_TESTS = section("local_gateway.md", "## In tests")


def test_the_quirks_and_their_values_are_those_of_the_code_the_default_first() -> None:
    told = {
        names(row[0])[0]: tuple(names(row[1]))
        for row in table_rows(section("local_gateway.md", "## What could not be verified: quirks"))
    }

    assert told == options.quirk_choices()


def test_every_fault_stands_among_the_options_of_the_command() -> None:
    told = set(
        re.findall(r"`--([a-z-]+)", section("run_local_gateway.md", "## Options").partition("Faults.")[2])
    )
    of_the_command = {
        item.name.replace("_", "-")
        for item in fields(Faults)
        if item.type == "float" and not item.name.startswith("_")
    }

    assert told - {"verbosity", "fault-seed"} == of_the_command


def test_the_faults_that_no_option_makes_stand_where_tests_are_explained() -> None:
    only_here = {item.name for item in fields(Faults) if item.type != "float" and item.name[0] != "_"}

    assert {name for name in only_here if not re.search(rf"`{name}\b", IN_TESTS)} == set()
    assert {
        name for name in re.findall(r"`(\w+) = [\d.]+`", IN_TESTS) if not hasattr(Faults(), name)
    } == set()


def test_what_the_handle_offers_is_what_the_page_says() -> None:
    offered = {name for name in vars(GatewayHandle) if not name.startswith("_")}
    told = set(re.findall(r"`\.(\w+)", IN_TESTS.partition("The handle has")[2].partition("\n\n")[0]))

    assert told == offered


def test_the_fields_of_a_request_that_the_page_names_exist() -> None:
    from websocket_gateway.local.integration import ForwardedRequest

    named = re.search(r"`\.requests` \(([^)]*)\)", IN_TESTS)

    assert named
    assert set(names(named[1])) <= {item.name for item in fields(ForwardedRequest)}


def test_every_option_of_a_gateway_in_a_test_that_is_named_exists() -> None:
    known = {item.name for item in fields(options.GatewayOptions)}

    assert set(re.findall(r"`(\w+)=", IN_TESTS)) <= known


def test_the_limits_that_the_page_gives_are_those_of_the_code() -> None:
    text = read("local_gateway.md")

    assert f"frames above {options.MAX_FRAME_BYTES // 1024} KB" in text
    assert f"messages above {options.MAX_MESSAGE_BYTES // 1024} KB" in text
    assert f"{options.IDLE_TIMEOUT_SECONDS / 60:g} silent minutes" in text
    assert f"{options.MAX_DURATION_SECONDS / 3600:g} hours" in text
