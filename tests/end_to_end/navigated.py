"""A site that HTMX or Turbo navigate: pages with and without the tag, whose scripts run again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from tests.end_to_end.pages import CountingView, session
from websocket_gateway.views import WebSocketTokenView

PACKAGES = {
    "htmx2": ("htmx.org@2.0.11", "dist/htmx.js"),
    "htmx4": ("htmx.org@4.0.1", "dist/htmx.js"),
    "turbo": ("@hotwired/turbo@8.0.23", "dist/turbo.es2017-umd.js"),
}
BODIES = {"htmx2": 'hx-boost="true"', "htmx4": 'hx-boost:inherited="true"', "turbo": "", "none": ""}
files: dict[str, Path] = {}
"""Where each library is, once they are installed."""
LAYOUT = """<!doctype html>
<html>
<head>
<title>{{ name }}</title>
<link rel="icon" href="data:,">
{% if library != "none" %}<script src="/vendor/{{ library }}.js"></script>{% endif %}
<script type="module" src="/badge.js"></script>
</head>
<body {{ attribute|safe }}>
<nav>{% for other in names %}<a href="/{{ library }}/{{ other }}/">{{ other }}</a> {% endfor %}</nav>
<h1>{{ name }}</h1>
<p id="state"></p>
{% if name != "plain" %}
{% load websocket_gateway %}
{% if name == "kitchen" %}
{% websocket_client channel="kitchen" token_url="token" backoff_ms=100 backoff_max_ms=500 %}
{% elif name == "shared" %}
{% websocket_client channel="lobby" token_url="token" share=True %}
{% elif name == "patient" %}
{% websocket_client channel="lobby" token_url="token" backoff_ms=30000 %}
{% else %}
{% websocket_client channel="lobby" token_url="token" backoff_ms=100 backoff_max_ms=500 %}
{% endif %}
{% if name != "quiet" %}
<script type="module">
  import { fromPage } from "/static/websocket_gateway/client.js";
  const client = fromPage();
  window.client = client;
  window.ran = "{{ name }}";
  window.heard ??= [];
  client.on("tick", ({ n }) => heard.push("{{ name }} " + n));
  client.on("$state", ({ state, reason }) => (window.last = `${state} ${reason}`));
</script>
{% endif %}
{% endif %}
</body>
</html>
"""
# Runs once in a tab, however many pages load it.
BADGE = """
import { fromPage } from "/static/websocket_gateway/client.js";
window.badges = [];
if (document.getElementById("websocket-gateway")) {
  fromPage().on("tick", ({ n }) => badges.push(n), { element: document.documentElement });
}
"""
NAMES = ["one", "two", "three", "quiet", "plain", "kitchen", "shared", "patient"]


def install_libraries(folder: Path) -> None:
    """The packages of npm, once; skips where there is no npm or no registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, for HTMX and Turbo")
    specs = [f"{name}@npm:{spec}" for name, (spec, _) in PACKAGES.items()]
    wanted = "\n".join(specs)
    done = folder / "installed"
    if not done.exists() or done.read_text() != wanted:
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        ended = subprocess.run(
            [npm, "install", "--prefix", str(folder), *options, *specs], capture_output=True, text=True
        )
        if ended.returncode:
            pytest.skip(f"npm install failed: {ended.stderr[-500:]}")
        done.write_text(wanted)
    files.update({name: folder / "node_modules" / name / file for name, (_, file) in PACKAGES.items()})


def vendor(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(files[name].read_bytes(), content_type="text/javascript")


def badge(request: HttpRequest) -> HttpResponse:
    return HttpResponse(BADGE, content_type="text/javascript")


def page(request: HttpRequest, library: str, name: str) -> HttpResponse:
    values: dict[str, Any] = {
        "library": library,
        "name": name,
        "names": NAMES,
        "attribute": BODIES[library],
    }
    return HttpResponse(engines["django"].from_string(LAYOUT).render(values, request))


urlpatterns = [
    path("vendor/<str:name>.js", vendor),
    path("badge.js", badge),
    path("ws/<str:route>", CountingView.as_view()),
    path("session/", session),
    path("token/", WebSocketTokenView.as_view(), name="token"),
    path("<str:library>/<str:name>/", page),
]
