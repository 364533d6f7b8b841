"""The progress of a background job, in two tabs, over a cut and a reload; and a job that fails."""

from __future__ import annotations

import threading
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes.served import Recipe

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("django_tasks_db")

pytestmark = in_chromium
PAGE = "progress.md"
WATCH = """
window.values = [];
const note = () => values.push(bar.value);
note();
new MutationObserver(note).observe(bar, { attributes: true });
"""


def work() -> None:
    worker: Any = import_module("django_tasks_db.management.commands.db_worker").Worker
    try:
        worker(
            queue_names=["default"],
            excluded_queue_names=[],
            interval=0.05,
            batch=True,
            backend_name="default",
            startup_delay=False,
            max_tasks=1,
            worker_id="worker",
        ).run()
    finally:
        connection.close()


def wait_for_percent(page: Page, at_least: int) -> None:
    page.wait_for_function("least => bar.value >= least", arg=at_least)


def start(recipe: Recipe) -> tuple[Page, threading.Thread]:
    page = recipe.enter("ada")
    page.get_by_role("button", name="Build the report").click()
    page.get_by_role("heading", name="Report 1").wait_for()
    page.locator("body[data-state=open]").wait_for()
    return page, threading.Thread(target=work)


def test_progress_is_shown_over_a_cut_a_reload_and_in_a_second_tab(recipe: Recipe) -> None:
    page, worker = start(recipe)
    page.evaluate(WATCH)
    worker.start()
    wait_for_percent(page, 10)
    recipe.cut_every_socket()
    tab = recipe.visit(page.context.new_page(), "/reports/1/")
    wait_for_percent(page, 40)
    wait_for_percent(tab, 40)
    tab.reload()
    assert tab.evaluate("bar.value") >= 40

    for shown in (page, tab):
        wait_for_percent(shown, 100)
        shown.locator("#percent").get_by_text("100 %").wait_for()
    worker.join()
    values = page.evaluate("values")
    assert (values[0], values[-1]) == (0, 100)
    assert all(earlier < later for earlier, later in pairwise(values))

    response = recipe.enter("grace").goto(f"{recipe.site.url}/reports/1/")
    assert response is not None
    assert response.status == 404


def test_a_job_that_fails_says_so(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    page, worker = start(recipe)
    monkeypatch.setattr(import_module("reports.tasks"), "range", lambda *_: iter([1, None]), raising=False)

    worker.start()

    page.get_by_role("alert").get_by_text("The report failed").wait_for()
    assert page.evaluate("bar.value") == 5
    worker.join()
    page.reload()
    page.get_by_role("alert").get_by_text("The report failed").wait_for()


def test_the_channel_of_a_report_is_closed_to_others(recipe: Recipe) -> None:
    start(recipe)
    grace = recipe.enter("grace")

    code = grace.evaluate(
        "import('/static/websocket_gateway/client.js')"
        ".then(({ fromPage }) => fromPage().subscribe('report_1'))"
        ".then(() => 'joined', ({ code }) => code)"
    )

    assert code == "channel_denied"
