"""Settings of the project that `served` puts behind gunicorn, and its WSGI application."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.support.soak_urls"
WEBSOCKET_GATEWAY = {
    "ALLOWED_ORIGINS": ["https://www.example.com"],
    "CHANNELS": {
        "hot_*": {"HISTORY_MESSAGES": 1_000_000},
        "soak_*": {"HISTORY_MESSAGES": 300, "HISTORY_SECONDS": 60},
    },
    "MAX_MESSAGES_PER_MINUTE": 0,
    "RATE_LIMIT_MAX_ATTEMPTS": 0,
}


def __getattr__(name: str) -> object:
    # Only when gunicorn asks for it: Django reads this module while it is set up.
    if name == "application":
        return get_wsgi_application()
    raise AttributeError(name)
