"""The map of the services in their package's docstring."""

from __future__ import annotations

import pkgutil
import re

from websocket_gateway import services


def test_every_service_stands_on_the_map_once() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(services.__path__)}
    written = re.findall(r"`(\w+)`", services.__doc__ or "")

    named = sorted(name for name in written if name != "check_ws_settings")

    assert named == sorted(rooms)
