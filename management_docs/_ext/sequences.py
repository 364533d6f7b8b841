"""The directive `sequence`: lines such as `Browser -> Django: hello` become an SVG, at build time.

It is narrow enough for a phone, its text can be selected, it follows the theme's colours, and a screen
reader gets the steps as a description. A line without an arrow is a note across the whole width.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from html import escape
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

WIDTH = 400
LINE = 16
LETTERS = 46
"""How many letters of a label fit into one line."""
FROM_THE_LEFT = ["Browser", "manage.py", "API Gateway", "AWS", "Django", "Database"]
STEP = re.compile(r"(?P<source>[^>:-]+?) (?P<arrow>-->|->|-x) (?P<target>[^:]+): (?P<label>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line: who says what to whom; a note has nobody."""

    source: str = ""
    target: str = ""
    arrow: str = ""
    """`->` a call, `-->` an answer, `-x` what gets lost."""
    label: str


def read_steps(lines: list[str]) -> list[Step]:
    """The steps that the lines tell of; a `Note: …` is one, too."""
    steps = []
    for line in filter(None, map(str.strip, lines)):
        found = STEP.fullmatch(line)
        if found:
            steps.append(Step(**{name: text.strip() for name, text in found.groupdict().items()}))
        elif line.startswith("Note: "):
            steps.append(Step(label=line.removeprefix("Note: ")))
        else:
            raise ValueError(f"neither a step nor a note: {line!r}")
    return steps


def draw(title: str, steps: list[Step], *, name: str, first: list[str]) -> str:
    """The whole SVG; the actors `first` stand on the left, in that order."""
    found = [actor for step in steps if step.arrow for actor in (step.source, step.target)]
    actors = list(dict.fromkeys([*(actor for actor in first if actor in found), *found]))
    gap = WIDTH / len(actors)
    places = {actor: gap * (index + 0.5) for index, actor in enumerate(actors)}
    body, bottom = _draw_steps(steps, places, top=48, name=name)
    height = bottom + 14
    lifelines = [
        f'<line class="sequence-life" x1="{x:.0f}" y1="30" x2="{x:.0f}" y2="{height}"/>'
        for x in places.values()
    ]
    heads = [
        f'<rect class="sequence-head" x="{x - gap / 2 + 3:.0f}" y="4" width="{gap - 6:.0f}"'
        f' height="26" rx="5"/><text class="sequence-actor" x="{x:.0f}" y="21">{escape(actor)}</text>'
        for actor, x in places.items()
    ]
    spoken = " ".join(
        f"{step.source} to {step.target}: {step.label}." if step.arrow else f"{step.label}." for step in steps
    )
    return "\n".join(
        [
            f'<svg class="sequence" viewBox="0 0 {WIDTH} {height}" role="img"'
            f' aria-labelledby="{name}-t {name}-d" xmlns="http://www.w3.org/2000/svg">',
            f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(spoken)}</desc>',
            f'<defs><marker id="{name}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
            ' markerHeight="7" orient="auto"><path class="sequence-tip" d="M0 0L8 4L0 8z"/></marker></defs>',
            *lifelines,
            *heads,
            *body,
            "</svg>",
        ]
    )


def _draw_steps(steps: list[Step], places: dict[str, float], *, top: int, name: str) -> tuple[list[str], int]:
    drawn, y = [], top
    for step in steps:
        lines = textwrap.wrap(step.label, LETTERS)
        middle = (places[step.source] + places[step.target]) / 2 if step.arrow else WIDTH / 2
        half = max(len(line) for line in lines) * 3.55 + 4
        x = min(max(middle, half), WIDTH - half)
        kind = "sequence-label" if step.arrow else "sequence-note"
        for line in lines:
            drawn.append(f'<text class="{kind}" x="{x:.0f}" y="{y}">{escape(line)}</text>')
            y += LINE
        y -= LINE - 7
        if step.arrow:
            drawn.append(_arrow(step, places, y, name))
        y += 24
    return drawn, y - 24


def _arrow(step: Step, places: dict[str, float], y: int, name: str) -> str:
    start, end = places[step.source], places[step.target]
    look = ' stroke-dasharray="4 3"' if step.arrow == "-->" else ""
    if start == end:
        shape = f"M{start:.0f} {y} h26 v8 h-22"
        return f'<path class="sequence-arrow" d="{shape}" marker-end="url(#{name}-tip)"/>'
    if step.arrow == "-x":
        middle = (start + end) / 2
        return (
            f'<path class="sequence-arrow" d="M{start:.0f} {y}H{middle:.0f}"/>'
            f'<path class="sequence-lost" d="M{middle - 5:.0f} {y - 5}l10 10m0 -10l-10 10"/>'
        )
    return (
        f'<path class="sequence-arrow" d="M{start:.0f} {y}H{end:.0f}"{look} marker-end="url(#{name}-tip)"/>'
    )


class SequenceDirective(SphinxDirective):
    """`{sequence} Title`, with a step a line."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Draw it into the page; other formats than HTML get the lines as they are."""
        try:
            steps = read_steps(list(self.content))
        except ValueError as exc:
            raise self.error(str(exc)) from exc
        name = f"sequence-{self.env.new_serialno('sequence')}"
        svg = draw(self.arguments[0], steps, name=name, first=FROM_THE_LEFT)
        return [nodes.raw("", f'<div class="diagram">{svg}</div>', format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("sequence", SequenceDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
