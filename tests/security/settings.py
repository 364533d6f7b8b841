"""Settings of a server that is attacked; the tests in its process have the same."""

from __future__ import annotations

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.security.site"
ALLOWED_HOSTS = ["www.example.com", "testserver"]
WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": ["https://www.example.com"]}
