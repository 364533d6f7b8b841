"""Transcripts of the pages, played: each command is run, and what it prints held against what stands there.

A line that is `…` stands for any lines, `…` within one for anything, a decimal number for any other. `free`
names the ids that stand in the page for whatever AWS chooses.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
from dataclasses import dataclass

import pytest

from tests.docs.pages import Block
from tests.support.commands import Ended, run

ANYTHING = {"…", "..."}


@dataclass(frozen=True)
class Turn:
    """One command line, and the lines that stand below it."""

    line: str
    expected: tuple[str, ...]


def turns(block: Block) -> list[Turn]:
    """The commands of a block, each with what it prints."""
    found: list[Turn] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Turn(line[2:], ()))
        elif line and found:
            found[-1] = Turn(found[-1].line, (*found[-1].expected, line))
    return found


def play(block: Block, monkeypatch: pytest.MonkeyPatch, *, free: tuple[str, ...] = ()) -> None:
    """Run the block's commands in order; fails where one prints something else."""
    played = turns(block)
    assert played, f"{block} has no command"
    for turn in played:
        printed = _printed(turn.line, monkeypatch)
        pattern = "\n".join(pattern_of(line, free) for line in turn.expected)
        assert re.fullmatch(pattern.replace("\n(?s:.*?)", "(?s:.*?)"), "\n".join(printed)), (
            f"{block}: $ {turn.line}\n" + "\n".join(printed)
        )


def _printed(line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    words = shlex.split(line)
    if words[0] == "cat":
        with open(words[1]) as file:
            return sorted(file.read().splitlines())  # failures are written as they come
    if words[0] == "echo":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(words[1].encode())))
        words = words[words.index("|") + 1 :]
    return _lines(run(*words[words.index("manage.py") + 1 :]))


def _lines(ended: Ended) -> list[str]:
    """What is on stdout, and why it failed; not how far it was, nor how often a busy machine tried."""
    lines = [line for line in ended.stdout.splitlines() if not line.startswith("  retried ")]
    return [*lines, f"CommandError: {ended.stderr.splitlines()[-1]}"] if ended.status else lines


def pattern_of(line: str, free: tuple[str, ...]) -> str:
    """The line as a regular expression, with what may differ left open."""
    if line.strip() in ANYTHING:
        return "(?s:.*?)"
    pattern = re.escape(line).replace("https://…", "https?://…").replace("…", ".*?")
    for name in free:
        pattern = pattern.replace(re.escape(name), r"\S+?")
    return re.sub(r"\d+\\\.\d+", r"[\\d.]+", pattern)
