"""How Sphinx builds these pages into a site: `make docs`. Nothing is fetched while building or reading."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

import websocket_gateway

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

project = "django-websocket-gateway"
author = "The django-websocket-gateway maintainers"
copyright = author
release = version = websocket_gateway.__version__

sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))
extensions = ["myst_parser", "sphinx.ext.autodoc", "narrow_tables", "accessible", "sequences"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_extra_path = ["reports.schema.json"]  # programs that read the reports fetch it from the site

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
default_role = "code"
autodoc_default_options = {"members": True, "show-inheritance": True}
