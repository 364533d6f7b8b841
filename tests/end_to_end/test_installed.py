"""The wheel in an empty environment, as a stranger installs it: the tour, the types, what is missing.

Installs from the package index, so it is selected by `WEBSOCKET_GATEWAY_TEST_INSTALL=1`.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.building import ROOT, build
from tests.support.installing import SELECTED, environment, shell

pytestmark = SELECTED
FRAME = '{"handler": "say", "text": "hello"}'


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("build"))


def tour(wheel: Path) -> list[str]:
    """The tour's blocks, with free ports, the wheel for the checkout, and the two pauses of a person."""
    text = (ROOT / "README.md").read_text().partition("## Five-minute tour")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    whole = "\n#--\n".join(blocks).replace("-e 'CHECKOUT[local]'", f"'{wheel}[local]'")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        gateway, django = one.getsockname()[1], two.getsockname()[1]
    whole = whole.replace("9000", str(gateway)).replace("8000", str(django))
    whole = whole.replace("run_local_gateway --state", f"run_local_gateway --port {gateway} --state")
    whole = whole.replace("runserver &", f"runserver {django} &\n{_until_served(gateway, django)}")
    assert "CHECKOUT" not in whole
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


def test_types_reach_a_project_that_uses_the_package(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "uses.py").write_text(
        "from websocket_gateway.services.broadcasting import broadcast\n"
        "from websocket_gateway.testing import FakeConnections\n"
        "report = broadcast({}, channel='lobby')\n"
        "reveal_type(report.delivered)\n"
        "report.delivered.upper()\n"
        "FakeConnections(1, 2, 3)\n"
    )
    target = tmp_path / "installed"
    installed = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(installed, check=True, env=environment())

    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", "--config-file", os.devnull, "uses.py"],
        cwd=tmp_path,
        env=environment() | {"MYPYPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 'uses.py:4: note: Revealed type is "int"' in ended.stdout.replace("builtins.", "")
    assert 'uses.py:5: error: "int" has no attribute "upper"' in ended.stdout
    assert "uses.py:6: error: Too many positional arguments" in ended.stdout or "uses.py:6" in ended.stdout
    assert "import-untyped" not in ended.stdout


def test_the_extra_that_is_missing_is_named(wheel: Path, tmp_path: Path) -> None:
    script = f"""
python3 -m venv venv
venv/bin/pip install -q '{wheel}'
venv/bin/django-admin startproject bare .
echo 'INSTALLED_APPS += ["websocket_gateway"]' >> bare/settings.py
venv/bin/python manage.py check
venv/bin/python manage.py run_local_gateway || true
"""

    output = shell(script, tmp_path)

    assert "System check identified no issues" in output or "websocket_gateway." in output
    assert "django-websocket-gateway[local]" in output
    assert "Traceback" not in output
