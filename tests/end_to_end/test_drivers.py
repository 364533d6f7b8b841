"""What becomes of the tests of a browser that is not installed."""

from __future__ import annotations

import pytest

from tests.end_to_end.drivers import BROWSERS, start


def test_a_browser_that_is_missing_is_skipped_by_name_and_a_failure_where_all_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WEBSOCKET_GATEWAY_TEST_EVERY_BROWSER", raising=False)
    for name, (_, started) in BROWSERS.items():
        monkeypatch.setitem(BROWSERS, name, ([f"/nowhere/{name}"], started))

        with pytest.raises(pytest.skip.Exception, match=f"{name}: there is no /nowhere/{name}"), start(name):
            pass

    monkeypatch.setenv("WEBSOCKET_GATEWAY_TEST_EVERY_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="webkit: there is no /nowhere/webkit"), start("webkit"):
        pass
