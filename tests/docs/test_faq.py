"""The answers are short, lead to the page with the details, and hold the figures that code and pages have."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.docs.pages import prose, read, section
from websocket_gateway.conf import GatewaySettings
from websocket_gateway.views import WebSocketView

QUESTIONS = re.findall(r"^### (.+)$", read("faq.md"), re.MULTILINE)


def answer(question: str) -> str:
    return " ".join(section("faq.md", f"### {question}").split())


def holding(words: str) -> str:
    (found,) = (answer(question) for question in QUESTIONS if words in question)
    return found


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_is_short_and_leads_to_a_page(question: str) -> None:
    text = section("faq.md", f"### {question}")
    lines = text.partition("\n## ")[0].strip().splitlines()

    assert question.endswith("?")
    assert 1 <= len(lines) <= 5
    assert re.search(r"\]\(\w+\.md", text)


def test_there_are_enough_questions_and_not_too_many() -> None:
    assert 20 <= len(QUESTIONS) <= 25
    assert len(set(QUESTIONS)) == len(QUESTIONS)


def test_the_figures_are_those_of_the_settings() -> None:
    settings = GatewaySettings()

    assert f"`MAX_CONNECTIONS_PER_USER`, {settings.max_connections_per_user} by default" in holding(
        "How many"
    )
    pace = settings.send_max_per_second
    assert f"{timedelta(seconds=100_000 / pace).seconds} seconds" in holding("How long")
    assert f"pace of {pace:,} posts" in holding("How long")
    assert "`ALLOW_UNLISTED_CHANNELS` is `True`" in holding("Who may join")
    assert WebSocketView.ALLOW_UNLISTED_CHANNELS is True


def test_the_largest_message_is_that_of_the_view() -> None:
    assert WebSocketView.MAX_BODY_SIZE <= 128 * 1024
    assert "128 KB" in holding("How large")
    assert "131,072 - 512" in prose("history.md")
    assert "512 bytes less" in holding("How large")


def test_the_prices_are_those_of_the_page_on_cost() -> None:
    prices = prose("cost.md")

    for price in ("$1.00", "$0.25"):
        assert f"{price} for a million" in holding("What does it cost")
        assert f"{price} a million" in prices
    assert "about $8 a month" in holding("What does it cost")
    assert "| 1,000 people at work, 20 notifications a day each |" in prices
    assert "**$8**" in prices
