"""What the suite itself promises: nothing unasked, no secret in a table, no unknown difference."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.choices import PREFIX, TARGETS, read_choices
from tests.live.known import KNOWN
from tests.live.table import CONFIDENCE, Table

ROOT = Path(__file__).resolve().parent.parent.parent


def program(**variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m tests.live`, which `make test-aws` is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    command = [sys.executable, "-m", "tests.live", "--collect-only", "-k", "nothing"]
    return subprocess.run(
        command, cwd=ROOT, env={**kept, **variables}, capture_output=True, text=True, check=False
    )


def test_without_a_choice_it_says_what_to_set_and_tries_nothing() -> None:
    ended = program()

    assert ended.returncode == 0
    assert "Nothing is set, so nothing was tried." in ended.stdout
    for name in (
        "",
        "_REGION",
        "_LOG_GROUP",
        "_DOMAIN",
        "_CERTIFICATE",
        "_ZONE",
        "_TARGET",
        "_PORT",
        "_SLOW",
        "_REPORT",
    ):
        assert f"{PREFIX}{name}" in ended.stdout


def test_the_estimate_comes_before_anything_else() -> None:
    ended = program(
        **{PREFIX: "aws", f"{PREFIX}_REGION": "eu-west-1", f"{PREFIX}_TARGET": "https://a.example"}
    )

    first = ended.stdout.splitlines()[0]
    assert first.startswith("On AWS (eu-west-1) this makes at most")
    assert "cost about $0.0001 (list price" in first


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"": "azure"}, "'azure' is not one of local, moto, ministack, aws"),
        ({"": "aws"}, f"Set {PREFIX}_REGION"),
        ({"": "aws", "_REGION": "eu-west-1", "_DOMAIN": "a.example"}, f"Set both {PREFIX}_DOMAIN and"),
        ({"": "aws", "_REGION": "eu-west-1", "_ZONE": "Z1"}, f"{PREFIX}_ZONE needs {PREFIX}_DOMAIN"),
        ({"": "local", "_PORT": "http"}, "'http' is not a port"),
    ],
)
def test_a_choice_that_cannot_work_is_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("'", ".")):
        read_choices({f"{PREFIX}{name}": value for name, value in variables.items()})


def test_a_wrong_choice_is_wrong_usage() -> None:
    ended = program(**{PREFIX: "azure"})

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"{PREFIX}: 'azure'")


def test_a_difference_that_nobody_knows_fails_and_stands_in_the_table() -> None:
    table = Table("moto", "eu-west-1")

    with pytest.raises(AssertionError, match="expected '2 items, more', seen 'burnt'"):
        table.compare("Single calls", "a page of two", "2 items, more", "burnt")

    assert "| a page of two | 2 items, more | burnt | DIFFERS |" in list(table.render())


def test_a_known_difference_says_who_is_right_and_why() -> None:
    table = Table("moto", "eu-west-1")

    table.compare("Single calls", "a page of two", "2 items, more", "3 items, no more")

    (row,) = table.rows
    assert (row.verdict, row.why.partition(":")[0]) == ("known", "this package is right (H)")
    assert "MaxResults" in row.why


def test_what_is_known_on_a_stand_in_fails_on_aws() -> None:
    with pytest.raises(AssertionError):
        Table("aws", "eu-west-1").compare(
            "Single calls", "a page of two", "2 items, more", "3 items, no more"
        )


def test_nothing_private_is_in_a_table(tmp_path: Path) -> None:
    table = Table("aws", "eu-west-1", hidden=("ws.example.com",))
    seen = (
        "arn:aws:acm:eu-west-1:123456789012:certificate/x wss://a1b2c3d4e5.execute-api.eu-west-1.example "
        f"https://ws.example.com/x {'0123456789abcdef' * 4} AKIAIOSFODNN7EXAMPLE: a|b"
    )

    table.note("Single calls", "x", "y", seen)

    text = table.write(str(tmp_path)).read_text()
    assert "arn:aws:acm:eu-west-1:(account):certificate/x wss://(api).execute-api" in text
    assert "https://(host)/x (secret) (key): a\\|b" in text
    for private in (
        "123456789012",
        "a1b2c3d4e5",
        "ws.example.com",
        "0123456789abcdef",
        "AKIAIOSFODNN7EXAMPLE",
    ):
        assert private not in text


def test_every_reason_has_a_confidence_that_the_table_explains() -> None:
    table = Table("moto", "eu-west-1")
    table.compare("Single calls", "a page of two", "2 items, more", "3 items, no more")

    assert {item.why.confidence for item in KNOWN} == {"H", "M", "L", "INF"}
    assert CONFIDENCE in list(table.render())
    for level in ("H", "M", "L", "INF"):
        assert f" {level}, " in CONFIDENCE


def test_no_difference_is_known_on_aws_or_of_our_own_gateway() -> None:
    assert {item.target for item in KNOWN} == {"moto", "ministack"} < set(TARGETS)
