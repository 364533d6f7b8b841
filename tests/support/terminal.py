"""A picture of a terminal: lines of text as an SVG that can be read, selected and committed."""

from __future__ import annotations

from html import escape

COLOURS = {"$": "#f3f4f6", "+": "#4ade80", "~": "#facc15", "-": "#f87171", "!": "#93c5fd", " ": "#9ca3af"}
OTHER = "#d1d5db"
ADVANCE, HEIGHT, MARGIN = 8, 21, 20  # pixels


def draw(lines: list[str], *, title: str) -> str:
    """The lines on a dark ground, coloured by their first character as a diff is."""
    width = max(map(len, lines)) * ADVANCE + 2 * MARGIN
    height = len(lines) * HEIGHT + 2 * MARGIN
    texts = "\n".join(_line(text, MARGIN + (n + 1) * HEIGHT - 6) for n, text in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">{escape(title)}</title>\n'
        f'<rect width="{width}" height="{height}" rx="10" fill="#111827"/>\n'
        "<g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\""
        ' font-size="13">\n'
        f"{texts}\n</g>\n</svg>\n"
    )


def _line(text: str, y: int) -> str:
    shown = text.lstrip()
    x = MARGIN + (len(text) - len(shown)) * ADVANCE
    # Every line has its length written down: no font of a reader's can make it longer than the picture.
    return (
        f'<text x="{x}" y="{y}" fill="{COLOURS.get(text[:1], OTHER)}"'
        f' textLength="{len(shown) * ADVANCE}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(shown, quote=False)}</text>"
    )
