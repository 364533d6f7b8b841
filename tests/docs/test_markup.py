"""Blocks and tables are whole: what stands in a block can be read by what it is for."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import trustme
from django.template import engines

from tests.docs.pages import Block, all_pages, blocks, name_of

NAMES = [name_of(page) for page in all_pages()]
ALL = pytest.mark.parametrize("page", all_pages(), ids=NAMES)


def in_language(language: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", blocks(language), ids=str)


@ALL
def test_every_fence_that_is_opened_is_closed(page: Path) -> None:
    fences = re.findall(r"^ *```", page.read_text(), re.MULTILINE)

    assert len(fences) == 2 * len([block for block in blocks() if block.page == name_of(page)])


@ALL
def test_every_row_of_a_table_has_as_many_cells_as_its_heading(page: Path) -> None:
    uneven = []
    for table in re.findall(r"(?:^\|.*\|\n)+", page.read_text() + "\n", re.MULTILINE):
        counts = {line: len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        uneven += [line for line, count in counts.items() if count != next(iter(counts.values()))]

    assert uneven == []


@in_language("json")
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@in_language("yaml")
def test_yaml_is_yaml(block: Block) -> None:
    yaml = pytest.importorskip("yaml")

    assert yaml.safe_load(block.text)


@in_language("ini")
def test_a_unit_has_sections_that_systemd_knows(block: Block) -> None:
    unit = configparser.RawConfigParser()
    unit.read_string(block.text)

    assert unit.sections()
    assert set(unit.sections()) <= {"Unit", "Service", "Timer", "Install"}


@in_language("django")
def test_a_template_has_only_tags_that_exist(block: Block) -> None:
    header = "" if "load static" in block.text or "{% extends" in block.text else "{% load static %}"

    assert engines["django"].from_string(header + block.text) is not None


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
@in_language("js")
def test_a_script_can_be_read(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "block.mjs"
    file.write_text(block.text)

    ended = subprocess.run(["node", "--check", str(file)], capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
@in_language("nginx")
def test_nginx_takes_its_block(block: Block, tmp_path: Path) -> None:
    certificate = tmp_path / "server.pem"
    made = trustme.CA().issue_cert("www.example.com")
    made.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    ours = f"ssl_certificate {certificate};\nssl_certificate_key {certificate};"
    # One that exists in the place of those that the page names; logs where nobody reads them.
    text = re.sub(r"ssl_certificate(_key)?\s+[^;]+;", "", block.text).replace("/var/log/nginx", str(tmp_path))
    if text.startswith("location"):
        text = f"server {{\n{text}\n}}"
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/nginx.pid;\nevents {{}}\nhttp {{\n{ours}\n{text}\n}}")

    ended = subprocess.run(
        ["nginx", "-t", "-p", str(tmp_path), "-c", str(file), "-e", "stderr"], capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr
