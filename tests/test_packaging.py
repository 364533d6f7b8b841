"""What is installed: the package with its data, and nothing else; importing it needs nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from email import message_from_string
from email.message import Message
from importlib.metadata import version
from pathlib import Path

import pytest

import websocket_gateway
from tests.support.building import build, copy_tree

ROOT = Path(__file__).resolve().parent.parent
DATA = ("static", "templates")
# In the matrix, and claimed nowhere until its lane has been green.
NOT_RUN_YET = {"3.14"}
FLOOR = re.compile(r"^([A-Za-z0-9-]+)>=([\d.]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_string(archive.read(name).decode())


def bash(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def declared() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_the_wheel_holds_the_package_and_its_data_only(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    package = ROOT / "websocket_gateway"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file()
        and (path.suffix == ".py" or path.name == "py.typed" or path.relative_to(package).parts[0] in DATA)
        and "__pycache__" not in path.parts
    }

    assert set(names) == expected
    assert "websocket_gateway/py.typed" in names
    assert "websocket_gateway/migrations/0001_initial.py" in names


def test_the_wheel_holds_the_licence(wheel: Path, metadata: Message) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
        held = archive.read(name).decode()

    assert held == (ROOT / "LICENSE").read_text()
    assert metadata["License-File"] == "LICENSE"


def test_the_version_stands_in_one_place(tmp_path: Path, metadata: Message) -> None:
    own = websocket_gateway.__version__
    tree = copy_tree(tmp_path / "tree")
    texts = {".py", ".cfg", ".toml", ".ini", ".txt", ".yml", ".yaml", ".js", ".html", ".md"}
    holders = [
        path.relative_to(tree).as_posix()
        for path in tree.rglob("*")
        if path.suffix in texts and own in path.read_text()
    ]

    assert metadata["Version"] == own
    assert [name for name in holders if name != "CHANGELOG.md"] == ["websocket_gateway/__init__.py"]


@pytest.mark.parametrize(
    ("version", "on_npm"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2.3rc1", "1.2.3-rc.1"),
        ("1.2.3b12", "1.2.3-beta.12"),
        ("2.0.0a3", "2.0.0-alpha.3"),
        ("10.0.0rc10", "10.0.0-rc.10"),
    ],
)
def test_npm_gets_the_version_as_semver_spells_it(version: str, on_npm: str) -> None:
    assert bash(f"bash websocket_gateway/client/version.sh {version}").stdout == f"{on_npm}\n"


def test_npm_gets_the_version_of_the_package() -> None:
    own = websocket_gateway.__version__

    assert (
        bash("bash websocket_gateway/client/version.sh").stdout
        == bash(f"bash websocket_gateway/client/version.sh {own}").stdout
    )


def test_the_classifier_of_the_status_fits_the_version(declared: ConfigParser) -> None:
    final = re.fullmatch(r"[\d.]+", websocket_gateway.__version__)
    status = "5 - Production/Stable" if final else "4 - Beta"

    assert f"Development Status :: {status}\n" in declared["metadata"]["classifiers"]


RELEASE = (ROOT / ".github/workflows/release.yml").read_text()


@pytest.mark.parametrize("tag", ["0.9", "1.0", f"{websocket_gateway.__version__}.1"])
def test_a_tag_that_is_not_the_version_is_not_released(tag: str) -> None:
    (check,) = re.findall(r"^ +- run: (test .*)$", RELEASE, re.MULTILINE)

    assert bash(check, GITHUB_REF_NAME=websocket_gateway.__version__).returncode == 0
    assert bash(check, GITHUB_REF_NAME=tag).returncode == 1


def test_a_version_without_a_section_in_the_changelog_is_not_released() -> None:
    (check,) = re.findall(r"^ +- run: (grep .* CHANGELOG\.md)$", RELEASE, re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    own = websocket_gateway.__version__

    assert bash(check, GITHUB_REF_NAME=own).returncode == (0 if newest[1] == own else 1)
    assert bash(check, GITHUB_REF_NAME="0.9").returncode == 1


def test_both_indexes_trust_the_workflow_and_no_secret_is_named() -> None:
    jobs = RELEASE.split("\n  publish")[1:]

    assert len(jobs) == 2
    assert all("id-token: write" in job and "environment: " in job for job in jobs)
    assert "attestations: true" in jobs[0]
    assert "secrets." not in RELEASE


def test_the_description_has_no_link_that_leads_nowhere_on_an_index(metadata: Message) -> None:
    readme = (ROOT / "README.md").read_text()
    links = re.compile(r"\]\(([^)\s]+)\)")

    description = str(metadata.get_payload())

    assert description.startswith(readme.partition("\n")[0])
    assert [link for link in links.findall(readme) if not link.startswith("https://")]
    assert [link for link in links.findall(description) if not link.startswith("https://")] == []
    assert "<img" not in description
    # Nothing else is lost: every heading and example stands there.
    for part in re.findall(r"^#+ [^\n]+$|^```\w*\n.*?^```$", readme, re.MULTILINE | re.DOTALL):
        assert part in description


def test_the_lanes_are_the_versions_that_the_classifiers_claim(declared: ConfigParser) -> None:
    tox = ConfigParser()
    tox.read(ROOT / "tox.ini")
    lanes = [re.fullmatch(r"py3(\d+)-django(\d)(\d)", lane) for lane in tox["tox"]["env_list"].split()]
    claimed = declared["metadata"]["classifiers"]

    pythons = {f"3.{lane[1]}" for lane in lanes if lane}
    djangos = {f"{lane[2]}.{lane[3]}" for lane in lanes if lane}

    assert all(lanes)
    assert set(re.findall(r"Python :: (3\.\d+)$", claimed, re.MULTILINE)) == pythons - NOT_RUN_YET
    assert set(re.findall(r"Django :: (\d\.\d)$", claimed, re.MULTILINE)) == djangos


def test_the_lowest_versions_are_those_that_are_tested(declared: ConfigParser) -> None:
    extras = declared["options.extras_require"]
    asked = "\n".join(
        [
            declared["options"]["install_requires"],
            extras["local"],
            extras["tasks"],
            extras["otel"],
            extras["fast"],
        ]
    )
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "tests/lowest.txt").read_text(), re.MULTILINE))

    # botocore comes with boto3; both are released together, under one number.
    assert pinned.pop("botocore") == pinned["boto3"]
    assert pinned == dict(FLOOR.findall(asked))
    assert len(pinned) == len(asked.split("\n")) - asked.split("\n").count("")


def test_the_uvicorn_whose_internals_are_used_has_an_upper_bound(metadata: Message) -> None:
    (required,) = (line for line in metadata.get_all("Requires-Dist", []) if line.startswith("uvicorn"))
    bound = re.search(r"<(\d+)\.(\d+)(?![\d.])", required)
    installed = tuple(map(int, version("uvicorn").split(".")[:2]))

    assert bound is not None, f"{required}: the next minor release may break local/protocol.py"
    assert installed < (int(bound[1]), int(bound[2]))


WORKFLOWS = [path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")]
LOCKS = sorted((ROOT / ".github/requirements").glob("*.txt"))


def test_the_workflows_run_nothing_that_is_not_pinned() -> None:
    used = [step for text in WORKFLOWS for step in re.findall(r"uses: (\S+)", text)]
    installed = [line for text in WORKFLOWS for line in text.splitlines() if "pip install" in line]

    assert len(used) > 5
    assert [step for step in used if not re.search(r"@[0-9a-f]{40}$", step)] == []
    assert len(installed) == len(LOCKS)
    for line in installed:
        named = re.search(r"pip install --require-hashes -r (\S+)$", line)
        assert named is not None, line
        assert ROOT / named[1] in LOCKS
    (built,) = (line for text in WORKFLOWS for line in text.splitlines() if "python -m build" in line)
    assert "--no-isolation" in built  # else setuptools would be the newest one, whatever it holds


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_tool_of_the_workflows_has_a_version_and_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=\S)", lock.read_text().strip())

    assert len(entries) > 10
    assert [entry for entry in entries if not re.match(r"[\w.-]+==[\w.]+[ ;]", entry)] == []
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in lock.read_text()


def test_the_floor_of_django_has_its_security_fixes_and_stands_in_the_policy(declared: ConfigParser) -> None:
    floor = dict(FLOOR.findall(declared["options"]["install_requires"]))["Django"]

    # CVE-2025-64459 and others: published, and fixed in 5.2.13 at the latest.
    assert tuple(map(int, floor.split("."))) > (5, 2, 13)
    assert f"from {floor} on" in (ROOT / "SECURITY.md").read_text()


@pytest.mark.parametrize(
    "module",
    [
        "websocket_gateway",
        "websocket_gateway.apps",
        "websocket_gateway.conf",
        "websocket_gateway.exceptions",
        "websocket_gateway.context_headers",
        "websocket_gateway.aws.apis",
        "websocket_gateway.aws.connections",
        "websocket_gateway.provisioning.planning.gateway",
        "websocket_gateway.testing",
        "websocket_gateway.testing.connections",
        "websocket_gateway.testing.fixtures",
        "websocket_gateway.testing.gateway",
    ],
)
def test_importing_needs_no_settings_credentials_or_region(wheel: Path, module: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); import {module} as m; print(m.__file__)"

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
        cwd=wheel.parent,
    )

    assert ended.stderr == ""
    assert str(wheel) in ended.stdout


def test_the_package_itself_imports_neither_django_nor_boto3() -> None:
    code = "import sys, websocket_gateway; print(sorted({'django', 'boto3', 'botocore'} & set(sys.modules)))"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert ended.stdout.strip() == "[]"


def test_planning_knows_neither_django_nor_boto3() -> None:
    code = (
        "import sys, websocket_gateway.provisioning.planning.gateway;"
        "print(sorted({'django', 'boto3', 'botocore'} & set(sys.modules)))"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert ended.stdout.strip() == "[]"
