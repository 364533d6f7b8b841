"""What the guides type into a shell, typed: into the project of the README's tour, beside a local gateway.

The tour itself is run by `tests/end_to_end/test_installed.py`, the tutorial by `test_browser_tutorial.py`
beside it, the recipes by `tests/end_to_end/recipes`, and `make` by the gate.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.diagnostics.servers import IDENTITY, answering
from tests.docs.pages import ROOT, Block, blocks, blocks_of
from tests.docs.projects import Project, first_line, tour_project
from tests.docs.transcripts import Turn, pattern_of, turns
from tests.sink import Sink

ELSEWHERE = {"README.md", "CONTRIBUTING.md", "tutorial.md"}
NOT_RUN = {
    "custom_domains.md": "asks ACM for a certificate",
    "cron.md": "makes a schedule of EventBridge",
    "iam.md": "makes a role in IAM",
}
ANY_PORT = re.compile(r"127\.0\.0\.1:\d+")
GUIDES = [
    block for block in blocks("sh") if block.page not in ELSEWHERE and not block.page.startswith("recipes/")
]
SERVERS = [block for block in GUIDES if "run_local_gateway" in block.text]
# The steps of a project that is moved over are typed by `tests/end_to_end/test_moving_a_project.py`.
MOVED = [block for block in GUIDES if block.page == "moving_over.md" and "migrate shop" in block.text]
RUN = [block for block in GUIDES if block not in SERVERS + MOVED and block.page not in NOT_RUN]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with tour_project(tmp_path_factory.mktemp("tour")) as made:
        yield made


def test_the_list_of_what_is_not_run_is_no_longer_than_it_must_be() -> None:
    assert len(RUN) >= 4
    assert len(MOVED) == 1
    for page in NOT_RUN:
        assert all(block.text.startswith("aws ") for block in blocks_of(page, "sh"))


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_block_of_a_guide_ends_without_an_error(project: Project, block: Block) -> None:
    status, printed = project.type(block.text)

    assert status == 0, printed
    assert "Traceback" not in printed
    for written in re.findall(r"> (\S+\.json)$", block.text, re.MULTILINE):
        assert json.loads((project.folder / written).read_text())["drift"] is False


@pytest.mark.parametrize("block", SERVERS, ids=str)
def test_a_gateway_of_a_guide_starts_and_ends_by_ctrl_c(project: Project, block: Block) -> None:
    words = block.text.split("run_local_gateway")[1].split()
    (told,) = (item for item in blocks_of("run_local_gateway.md", "console"))
    expected = next(text for text in told.text.splitlines() if text.startswith("Local gateway at"))

    with project.running("run_local_gateway", *words, "--port", "0") as gateway:
        line = first_line(gateway, "Local gateway at")

    assert re.sub(r":\d+", ":9000", line.strip()) == expected


@pytest.fixture
def lobby(project: Project) -> Iterator[Sink]:
    """As many as the pages have in the lobby, on a gateway that answers for each."""
    with Sink() as sink:
        project.environment["DJANGO_SETTINGS_MODULE"] = "tour.with_queue"
        done = project.type(
            f"PYTHONPATH=$PWD:{ROOT} python -m tests.support.queues.populate {sink.port} 1200"
        )
        assert done == (0, "")
        yield sink
        del project.environment["DJANGO_SETTINGS_MODULE"]


def same(turn: Turn, printed: str) -> None:
    expected = "\n".join(pattern_of(ANY_PORT.sub("127.0.0.1:…", line), ()) for line in turn.expected)
    assert re.fullmatch(expected, printed.strip()), f"$ {turn.line}\n{printed}"


def test_broadcasts_on_a_queue_are_reported_as_the_pages_show(project: Project, lobby: Sink) -> None:
    enqueue, status = turns(blocks_of("tasks.md", "console")[0])
    shown = [block for block in blocks_of("broadcast.md", "console") if "--enqueue" in block.text]
    slowly, cancel, resume = turns(shown[0])

    same(enqueue, project.type(enqueue.line)[1])
    assert project.type("python manage.py db_worker --batch --no-startup-delay")[0] == 0
    same(status, project.type(status.line)[1])
    assert len(lobby.requests) == 1_200
    for turn in (slowly, cancel):
        same(turn, project.type(turn.line)[1])
    failed, why = project.type(resume.line)

    assert failed == 1
    same(resume, why)


@pytest.fixture
def unmigrated(project: Project) -> Iterator[Project]:
    """The same project with another database, which is empty, and with STS at hand."""
    fresh = "from tour.settings import *\nDATABASES['default']['NAME'] = 'fresh.sqlite3'\n"
    (project.folder / "tour/fresh.py").write_text(fresh)
    kept = project.environment
    with answering(body=IDENTITY) as sts:
        project.environment = kept | {
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL_STS": sts.url,
            "DJANGO_SETTINGS_MODULE": "tour.fresh",
        }
        yield project
    project.environment = kept


def test_what_is_wrong_with_a_project_is_said_as_the_page_shows(unmigrated: Project) -> None:
    deploy, live, as_json = turns(blocks_of("check_ws_settings.md", "console")[0])
    urls = unmigrated.folder / "tour/urls.py"
    right = urls.read_text()

    urls.write_text(right.replace('"ws/<str:route>"', '"ws/<str:route>/"'))
    same(deploy, unmigrated.type(f"{deploy.line} --format text --timeout 60")[1])
    urls.write_text(right)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    made = f"python manage.py create_gateway chat --target http://{address}/ws/"
    assert unmigrated.type(f"python manage.py migrate -v 0 && {made}")[0] == 0
    with unmigrated.running("runserver", "--noreload", address) as server:
        first_line(server, "Quit the server")
        same(live, unmigrated.type(f"{live.line} --format text --timeout 60")[1])
        same(as_json, unmigrated.type(as_json.line.replace("--live", "--live --timeout 60"))[1])
