"""Messages, help texts, admin pages, docstrings, comments and the documentation do not use certain words.

Quotations (backticks, quotes) and identifiers are not looked at.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

PACKAGE = Path(__file__).resolve().parents[1] / "websocket_gateway"

PENDING: tuple[str, ...] = ()
"""Parts that still use such words. The test of a part that does not any more fails until it is removed."""

# The expression, and what to write instead.
WORDS: dict[str, str] = {
    r"deeds?": "operation, step, task",
    r"whom|who(m)?ever|somebody|nobody|anybody": "the thing: a client, a process, a user",
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix",
    r"reckon\w*": "estimate, count",
    r"dear(er|est)?": "expensive",
    r"so long as": "while, as long as",
    # "There is no queue" is plain; "this is no queue" is not.
    r"(?<!there )(is|are|was|were) no (?!longer|more|less|later|earlier|larger|smaller|older)\w+": "is not a",
    r"may not": "must not (forbidden), might not (possible)",
    r"rooms?|houses?|floors?|doors?": "the thing itself, not a metaphor",
    r"crews?|lanes?|ledgers?": "workers, queue, table",
}
# Phrases that a page says in plainer words.
PHRASES_OF_PAGES: dict[str, str] = {
    r"by the clock": "regularly",
    r"look(s|ed|ing)? after": "monitor, maintain",
    r"(hears?|tells?) of": "learns of, reports",
    r"behind (its|his|their) back": "without it, without them",
    r"nothing is to": "there is nothing to",
    r"as ever": "as usual",
}
_PHRASES = re.compile(rf"\b(?:{'|'.join(PHRASES_OF_PAGES)})\b", re.IGNORECASE)
_FORBIDDEN = re.compile("|".join(rf"\b(?:{expression})\b" for expression in WORDS), re.IGNORECASE)
_QUOTATION = re.compile(r"``.*?``|`[^`]*`|\"[^\"\n]*\"|(?<!\w)'[^'\n]+'(?!\w)|“[^”]*”", re.DOTALL)
_SCRIPT = re.compile(
    r"(?P<comment>(?://[^\n]*\n\s*)+|/\*.*?\*/)|(?P<text>\"[^\"\n]*\"|'[^'\n]*'|`[^`]*`)", re.DOTALL
)
_TAG = re.compile(r"\{\{.*?\}\}|<[^>]*>", re.DOTALL)
_STATEMENT = re.compile(r"\{%\s*(?:translate|trans)\s+(\"[^\"]*\"|'[^']*').*?%\}|\{%.*?%\}", re.DOTALL)


DOCUMENTATION = sorted(
    [*PACKAGE.parent.glob("*.md"), *(PACKAGE.parent / "management_docs").rglob("*.md")],
)
# A chat has rooms, and a dependency has a lowest version, its floor.
_TERMS_OF_PAGES = re.compile(r"\b(rooms?|floors?)\b", re.IGNORECASE)
_BLOCK = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)


def forbidden_words(text: str, *, quotations: bool = False) -> list[str]:
    """The forbidden words of a text, each with some words around it."""
    prose = " ".join((text if quotations else _QUOTATION.sub("…", text)).split())
    return [prose[max(0, found.start() - 30) : found.end() + 20] for found in _FORBIDDEN.finditer(prose)]


def prose_of_module(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string and block of comments."""
    yield from _strings(ast.parse(source))
    comment: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if comment and token.start[0] != last + 1:
            yield last, " ".join(comment)
            comment = []
        comment.append(token.string.lstrip("# "))
        last = token.start[0]
    yield last, " ".join(comment)


def prose_of_script(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every comment and of every string with a space in JavaScript."""
    for found in _SCRIPT.finditer(source):
        comment, text = found["comment"], found["text"]
        line = source.count("\n", 0, found.start()) + 1
        if comment:
            yield line, re.sub(r"^\s*(//|/?\*+)|\*/\s*$", "", comment, flags=re.MULTILINE).strip()
        elif " " in text:
            yield line, re.sub(r"\$\{[^}]*\}", "…", text)


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Strings that are sentences; the values within an f-string are left out."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.JoinedStr(values=values):
                pieces = [str(piece.value) if isinstance(piece, ast.Constant) else "…" for piece in values]
                yield node.lineno, "".join(pieces)
            case ast.Constant(value=str(text)) if " " in text:
                yield node.lineno, text
            case _:
                yield from _strings(node)


def prose_of_page(source: str) -> str:
    """What a template shows, and its comments."""
    shown = _STATEMENT.sub(lambda found: f" {(found[1] or '')[1:-1]} ", source)
    return _TAG.sub(" … ", shown)


def parts() -> dict[str, list[Path]]:
    """The modules of each part of the package, by its name: a package or a module."""
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0]
        if name != "migrations":
            found.setdefault(name.removesuffix(".py"), []).append(path)
    return found


COMMANDS = sorted(name for name, app in get_commands().items() if app == "websocket_gateway")


def check(part: str, found: list[str]) -> None:
    """Fail on words in a part that should have none, and on none in a part that is pending."""
    if part in PENDING:
        assert found, f"{part} does not use such words any more: remove it from PENDING."
    else:
        assert found == []


@pytest.mark.parametrize("part", parts())
def test_modules_are_in_plain_english(part: str) -> None:
    check(
        part,
        [
            f"{path.relative_to(PACKAGE)}:{line} {words}"
            for path in parts()[part]
            for line, text in prose_of_module(path.read_text())
            for words in forbidden_words(text)
        ],
    )


@pytest.mark.parametrize("path", sorted((PACKAGE / "client").glob("*.[jt]s")), ids=lambda path: path.name)
def test_the_browser_client_is_in_plain_english(path: Path) -> None:
    check(
        path.name,
        [
            f"{path.name}:{line} {words}"
            for line, text in prose_of_script(path.read_text())
            for words in forbidden_words(text.strip("\"'`"))
        ],
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_in_plain_english(command: str) -> None:
    parser = load_command_class("websocket_gateway", command).create_parser("manage.py", command)

    check(f"{command} --help", forbidden_words(parser.format_help()))


@pytest.mark.parametrize(
    "page", sorted(str(path.relative_to(PACKAGE)) for path in (PACKAGE / "templates").rglob("*.html"))
)
def test_admin_pages_are_in_plain_english(page: str) -> None:
    check(page, forbidden_words(prose_of_page((PACKAGE / page).read_text()), quotations=True))


@pytest.mark.parametrize("path", DOCUMENTATION, ids=lambda path: path.name)
def test_the_documentation_is_in_plain_english(path: Path) -> None:
    prose = _TERMS_OF_PAGES.sub("…", _BLOCK.sub("…", path.read_text()))

    check(path.name, forbidden_words(prose))


@pytest.mark.parametrize(
    "phrase", ["Runs by the clock.", "The page hears of it.", "It changes behind its back."]
)
def test_such_phrases_are_found(phrase: str) -> None:
    assert _PHRASES.search(phrase)


@pytest.mark.parametrize("path", DOCUMENTATION, ids=lambda path: path.name)
def test_the_documentation_uses_no_such_phrases(path: Path) -> None:
    prose = " ".join(_QUOTATION.sub("…", _BLOCK.sub("…", path.read_text())).split())

    assert [prose[max(0, found.start() - 30) : found.end() + 20] for found in _PHRASES.finditer(prose)] == []


def test_nothing_else_is_pending() -> None:
    pages = {str(path.relative_to(PACKAGE)) for path in (PACKAGE / "templates").rglob("*.html")}

    assert set(PENDING) <= {*parts(), *(f"{command} --help" for command in COMMANDS), *pages}


@pytest.mark.parametrize(
    "text",
    [
        "Whoever knows the id can send.",
        "A shard that somebody died on.",
        "'x' is no whole number.",
        "Views are no\n    handlers.",
        "It may not be told the secret.",
        "Each deed of a purge.",
        "The ledger of failures.",
    ],
)
def test_such_words_are_found(text: str) -> None:
    assert len(forbidden_words(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "There is no gateway of that name.",
        "It is no longer connected.",
        'It has the permission `chat.view_room`, and the quotation "nobody".',
        "The user's room_id is a user's.".replace("room_id", "`room`"),
        "Recommended, commendable, and a dearth of nothing.",
    ],
)
def test_plain_sentences_and_quotations_are_left_alone(text: str) -> None:
    assert forbidden_words(text) == []


def test_strings_comments_and_pages_are_read() -> None:
    source = '''
def post(name):
    """Post to nobody."""
    # A comment about
    # somebody.
    raise ValueError(f"{name} is no name" " at all")
'''
    script = """
// Sent to
// nobody.
const text = name + `${name} is no name`; /** Waits anew. */
"""
    page = '{% load i18n %}{# mended #}<p title="x">{% translate "Nobody is here" %}</p>{{ nobody }}'

    found = [words for _line, text in prose_of_module(source) for words in forbidden_words(text)]
    shown = forbidden_words(prose_of_page(page), quotations=True)

    assert found == ["Post to nobody.", "… is no name at all", "A comment about somebody."]
    scripted = [
        words for _line, text in prose_of_script(script) for words in forbidden_words(text.strip("`"))
    ]

    assert scripted == ["Sent to nobody.", "… is no name", "Waits anew."]
    assert shown == ["{# mended #} … Nobody is here", "{# mended #} … Nobody is here … …"]
