"""Settings of the sample project.

Environment: `SAMPLE_GATEWAY_URL` is the URL of the local gateway (http://127.0.0.1:9000); empty means
real AWS. `SAMPLE_PUBLIC_HOST` is the public host name of this machine, such as that of a tunnel; without
it, only this machine is served (see `exposure.py`). `SAMPLE_DATABASE` is the SQLite file.
"""

from __future__ import annotations

import os

from project.exposure import DATABASE, EXPOSED, PUBLIC_HOST, load_secret

SECRET_KEY = load_secret("SECRET_KEY", "for-the-sample-project-on-your-own-machine-only")
DEBUG = not EXPOSED
ALLOWED_HOSTS = ["127.0.0.1", "localhost", *filter(None, [PUBLIC_HOST])]
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in filter(None, [PUBLIC_HOST])]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "chat",  # before staticfiles, whose runserver it extends
    "django.contrib.staticfiles",
    "websocket_gateway",
]
MIDDLEWARE = [
    "project.exposure.ThisMachineOnly",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(DATABASE),
        # For parallel requests: readers do not block the writer, and writers wait for each other.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL;",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "/static/"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "lobby"
LOGOUT_REDIRECT_URL = "login"
# Cookies are shared by all ports of a host, so the names differ from those of your other projects.
SESSION_COOKIE_NAME = "sample_session"
CSRF_COOKIE_NAME = "sample_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = EXPOSED

WEBSOCKET_GATEWAY = {
    # Each room is a channel. A page that was away gets what it has missed, up to this number and for a day.
    "CHANNELS": {
        **{room: {"HISTORY_MESSAGES": 1_000} for room in ("lobby", "kitchen", "workshop")},
        # A mention waits in the inbox of a user for 30 days.
        "user_*": {"HISTORY_MESSAGES": 100, "HISTORY_SECONDS": 2_592_000, "ACKS": True},
        # A page gets the messages of all rooms. Only the pages that show a room are in its second channel.
        "here_*": {"PRESENCE": True},
    },
    "ADMIN_PROVISIONING": not EXPOSED,
    "ENDPOINT_URL": os.environ.get("SAMPLE_GATEWAY_URL", "http://127.0.0.1:9000"),
}
