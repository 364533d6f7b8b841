"""One difference: made, found and named, repaired with few calls, and then gone."""

from __future__ import annotations

from tests.commands.differences.difference import Difference
from tests.support.commands import run
from tests.support.drift import Site


def assert_repaired(site: Site, difference: Difference) -> None:
    """Make the difference, and let `sync_routes` find and repair it."""
    difference.make(site)
    deep = [option for option in difference.options if option == "--deep"]

    checked = run("sync_routes", "chat", "--check", *deep)
    with site.counting() as calls:
        repaired = run("sync_routes", "chat", *difference.options, "--no-input")
        changes = [call for call in calls if not call.startswith("Get")]
    again = run("sync_routes", "chat", "--check", "--deep")

    assert checked.status == 1, checked
    assert difference.named in checked.stdout
    assert "Not as wanted: chat." in checked.stderr
    assert (repaired.status, len(changes)) == (0, difference.changes), (repaired, changes)
    assert changes.count("CreateDeployment") <= 1
    assert (again.status, again.stderr) == (0, ""), again
