"""The tarball for npm: the files that are served, their types in a strict project, and two bundlers."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from packaging.version import Version

from tests.support.building import ROOT
from tests.support.installing import SELECTED, shell
from websocket_gateway import __version__

pytestmark = SELECTED
SERVED = ROOT / "websocket_gateway" / "static" / "websocket_gateway"
APP = """
import { connect, GatewayError } from "django-websocket-gateway";

type Order = { id: number };
type Notice = { text: string };

const client = connect({ url: "wss://ws.example.com", tokenUrl: "/ws/token/" });
client.on<Notice>("notice", (notice) => console.log(notice.text.trim()));
client.channel("orders").on<Order>("message", (order) => console.log(order.id.toFixed()));
client.request<Order>("place", { item: "tea" }).then(
  (order) => console.log(order.id.toFixed()),
  (error: unknown) => console.log(error instanceof GatewayError ? error.code : error),
);
"""
WRONG = """
client.on<Notice>("notice", (notice) => notice.missing);
client.request<Order>("place").then((order) => order.missing);
client.channel("orders").on<Order>("message", (order) => order.missing);
client.channel("orders").on<Order>("mesage", () => undefined);
"""
STRICT = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "module": "ESNext",
        "moduleResolution": "Bundler",
        "target": "ES2022",
        "lib": ["ES2023", "DOM"],
        "types": [],
    }
}


def semver(version: Version) -> str:
    if version.pre is None:
        return version.base_version
    kind = {"a": "alpha", "b": "beta"}.get(version.pre[0], version.pre[0])
    return f"{version.base_version}-{kind}.{version.pre[1]}"


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run(
        ["bash", ROOT / "websocket_gateway/client/pack.sh", folder], check=True, capture_output=True
    )
    (packed,) = folder.iterdir()
    return packed


@pytest.fixture(scope="module")
def app(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has installed it."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "package.json").write_text('{"name": "app", "private": true, "type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps({**STRICT, "include": ["*.ts"]}))
    (folder / "app.ts").write_text(APP)
    (folder / "index.html").write_text('<script type="module" src="/app.ts"></script>')
    shell(f"npm install --silent '{tarball}' typescript@5.9.3 esbuild@0.25.12 vite@7", folder)
    return folder


def test_it_has_the_bytes_that_are_served_and_the_version_of_the_package(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        held = {
            member.name.removeprefix("package/"): file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
    described = json.loads(held["package.json"])

    assert held.keys() == {"client.js", "client.d.ts", "package.json", "README.md", "LICENSE"}
    for name in ("client.js", "client.d.ts"):
        assert held[name] == (SERVED / name).read_bytes()
    assert "private" not in described
    assert described["version"] == semver(Version(__version__))
    assert tarball.name == f"{described['name']}-{described['version']}.tgz"


def test_its_generic_types_hold_in_a_strict_project(app: Path) -> None:
    assert shell("npx tsc -p .", app) == ""


def test_a_wrong_use_is_an_error_of_the_compiler(app: Path) -> None:
    (app / "wrong.ts").write_text(APP + WRONG)
    try:
        printed = shell("npx tsc -p . || true", app)
    finally:
        (app / "wrong.ts").unlink()

    errors = [line for line in printed.splitlines() if "error TS" in line]
    assert len(errors) == len(WRONG.strip().splitlines()), printed


@pytest.mark.parametrize(
    "command",
    [
        "npx esbuild app.ts --bundle --format=esm --outfile=out/esbuild/app.js --log-level=warning",
        "npx vite build --outDir out/vite --logLevel warn",
    ],
    ids=["esbuild", "vite"],
)
def test_it_is_bundled(app: Path, command: str) -> None:
    shell(command, app)

    (bundle,) = (app / "out" / command.split()[1]).rglob("*.js")
    assert "reconnecting" in bundle.read_text()
