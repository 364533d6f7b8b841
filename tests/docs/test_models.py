"""Every model and field stands in the page on models, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

PAGE = (Path(__file__).resolve().parents[2] / "management_docs/models.md").read_text()
OWN_PAGES = re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
ROWS = re.findall(
    r"^\| `(\w+)` \| (.+)\|$", PAGE.partition("## What the package keeps for itself")[2], re.MULTILINE
)
TEXTS = dict(OWN_PAGES) | dict(ROWS)
MODELS = list(apps.get_app_config("websocket_gateway").get_models())


def fields_of(model: type[models.Model]) -> set[str]:
    return {field.name for field in model._meta.concrete_fields if not field.primary_key}


def test_every_model_stands_in_the_page() -> None:
    assert set(TEXTS) == {model.__name__ for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_stands_with_its_model(model: type[models.Model]) -> None:
    named = set(re.findall(r"`(\w+)`", TEXTS[model.__name__]))

    assert fields_of(model) <= named


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_table_names_a_field_that_there_is_not(model: type[models.Model]) -> None:
    tables = re.findall(r"^\| (`\w+`[^|]*)\|", TEXTS[model.__name__], flags=re.MULTILINE)
    named = {name for cell in tables for name in re.findall(r"`(\w+)`", cell)}

    assert named <= fields_of(model)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_permission_of_ours_stands_with_its_model(model: type[models.Model]) -> None:
    for codename, _ in model._meta.permissions:
        assert f"`websocket_gateway.{codename}`" in TEXTS[model.__name__]
