"""A project with Channels: settings, consumers and ASGI application, as its documentation sets them up.

`python -m tests.benchmarks.peers.chat` in the environment of Channels makes the database, prints the cookie
of a login as one line of JSON, and then sends to the group `lobby` for each line that it reads: the number of
messages so far is in the text. `CHANNELS_PREFIX` keeps runs on one Redis apart.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]
DATABASES["default"]["CONN_MAX_AGE"] = 60
ROOT_URLCONF = "tests.benchmarks.peers.chat"
ASGI_APPLICATION = "tests.benchmarks.peers.chat_asgi.application"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "hosts": [("127.0.0.1", 6379)],
            "prefix": os.environ.get("CHANNELS_PREFIX", "websocket_gateway_benchmark"),
        },
    },
}
LOGGING = {"version": 1, "disable_existing_loggers": True}
urlpatterns: list[Any] = []


def main() -> None:
    """Make a login, tell its cookie, send."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.peers.chat"
    django.setup()
    from asgiref.sync import async_to_sync
    from channels.layers import get_channel_layer
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        tell({"name": str(connection.settings_dict["NAME"]), "cookie": log_in()})
        send = async_to_sync(get_channel_layer().group_send)
        for line in sys.stdin:
            send("lobby", {"type": "chat.message", "text": line.strip()})
            tell({"sent": True})
    finally:
        teardown_databases(databases, verbosity=0)


def tell(answer: dict[str, Any]) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def log_in() -> str:
    """The cookie of a session of a new user."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    user = User.objects.create_user("user", password="password")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


if __name__ == "__main__":
    main()
