"""What a test may ask of a browser."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from typing import Any

import pytest

PATIENCE = 30.0
"""Seconds."""


class DriverError(Exception):
    """The script failed, or its page went away meanwhile."""


class Tab(ABC):
    """A page in a tab."""

    @abstractmethod
    def go(self, url: str) -> None:
        """Load the page, and wait until it has loaded."""

    @abstractmethod
    def close(self) -> None:
        """Close the tab as a click on its cross does."""

    @abstractmethod
    def run(self, script: str) -> Any:
        """The JSON value of a promise of text, else a `DriverError`."""

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON has it; if it is a promise, of that."""
        return json.loads(
            self.run(f"(async () => ({expression}))().then((value) => JSON.stringify(value ?? null))")
        )

    def wait_for(self, expression: str, timeout: float = PATIENCE) -> None:
        """Until the expression is true, whatever pages come and go meanwhile; `timeout` in seconds."""
        deadline = time.monotonic() + timeout
        found: object = "nothing"
        while time.monotonic() < deadline:
            try:
                found = self.evaluate(expression)
            except DriverError as exc:
                found = exc
            else:
                if found:
                    return
            time.sleep(0.02)
        pytest.fail(f"after {timeout} s not true, but {found}: {expression}")

    def click(self, selector: str) -> None:
        """Click on the element, once it is there."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"!!{found}")
        # Later, so that the answer is under way before a page that this leaves has gone.
        self.evaluate(f"void setTimeout(() => {found}.click())")

    def fill(self, selector: str, text: str) -> None:
        """As typing does, for those who listen."""
        self.evaluate(
            f"((field) => {{ field.value = {json.dumps(text)};"
            " field.dispatchEvent(new InputEvent('input', { bubbles: true })); })"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    def back(self) -> None:
        """As the button does. Waits for nothing: a page out of the browser's cache does not load."""
        self.evaluate("void setTimeout(() => history.back())")


class Profile(ABC):
    """The browser of one person."""

    @abstractmethod
    def open(self, url: str) -> Tab:
        """A new tab, its page loaded."""

    @abstractmethod
    def close(self) -> None:
        """Close its tabs, forget its cookies."""


class Driver(ABC):
    """A browser that runs."""

    name: str
    version: str

    @abstractmethod
    def profile(self) -> Profile:
        """A new one."""
