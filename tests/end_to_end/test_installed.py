"""The wheel in an empty environment, as a stranger installs it: the tour.

Installs from the package index, so it is selected by `WEBSOCKET_GATEWAY_TEST_INSTALL=1`.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.support.building import ROOT, build
from tests.support.installing import SELECTED, shell

pytestmark = SELECTED
FRAME = '{"handler": "say", "text": "hello"}'


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("build"))


def tour(wheel: Path) -> list[str]:
    """The tour's blocks, with free ports, the wheel in place of the package, and two pauses."""
    text = (ROOT / "README.md").read_text().partition("## Five-minute tour")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    whole = "\n#--\n".join(blocks).replace("'django-websocket-gateway[local]'", f"'{wheel}[local]'")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        gateway, django = one.getsockname()[1], two.getsockname()[1]
    whole = whole.replace("9000", str(gateway)).replace("8000", str(django))
    whole = whole.replace("run_local_gateway --state", f"run_local_gateway --port {gateway} --state")
    whole = whole.replace("runserver &", f"runserver {django} &\n{_until_served(gateway, django)}")
    assert "install 'django-websocket-gateway" not in whole
    return whole.split("\n#--\n")


def _until_served(*ports: int) -> str:
    asked = " && ".join(f"(: </dev/tcp/127.0.0.1/{port}) 2>/dev/null" for port in ports)
    return f"for _ in $(seq 120); do {{ {asked}; }} && break; sleep 0.5; done"


def test_the_five_minute_tour_works_as_printed(wheel: Path, tmp_path: Path) -> None:
    blocks = tour(wheel)
    (client,) = [number for number, block in enumerate(blocks) if 'websockets "$URL' in block]
    *before, connect = blocks[client].rstrip().splitlines()
    # What a person types stays open until the broadcast came.
    typed = f"{{ sleep 3; printf '%s\\n' '{FRAME}'; sleep 12; }} | {connect} > client.log 2>&1 &"
    blocks[client] = "\n".join([*before, typed, "CLIENT=$!", "sleep 6"])

    output = shell("\n".join([*blocks, "wait $CLIENT", "echo; cat client.log"]), tmp_path)

    assert "Would create api tour" in output
    assert "Created api tour" in output
    assert "Sent to channel 'lobby': 1 of 1 delivered" in output
    assert '"text":"hello"' in output
    assert '"text":"from manage.py"' in output
    assert "Traceback" not in output
