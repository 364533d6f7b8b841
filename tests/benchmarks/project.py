"""Settings and WSGI application of our side of the comparisons: what a deployment sets, DEBUG off."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

ROOT_URLCONF = "tests.benchmarks.project_urls"
DATABASES["default"]["CONN_MAX_AGE"] = 60
WEBSOCKET_GATEWAY = {
    "ALLOWED_ORIGINS": ["https://www.example.com"],
    "MAX_MESSAGES_PER_MINUTE": 0,
    "RATE_LIMIT_MAX_ATTEMPTS": 0,
}
LOGGING = {"version": 1, "disable_existing_loggers": True}


def __getattr__(name: str) -> object:
    # Only when gunicorn asks for it: Django reads this module while it is set up.
    if name == "application":
        return get_wsgi_application()
    raise AttributeError(name)
