"""Settings of the ticket board, for this machine only."""

from __future__ import annotations

import os
from pathlib import Path

SECRET_KEY = "for-the-ticket-board-on-your-own-machine-only"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "websocket_gateway",
    "board",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "board.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
        },
    },
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("BOARD_DATABASE", Path(__file__).with_name("board.sqlite3")),
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
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_NAME = "board_session"
CSRF_COOKIE_NAME = "board_csrf"
CSRF_TRUSTED_ORIGINS = ["http://127.0.0.1:8000", *filter(None, [os.environ.get("BOARD_ORIGIN")])]

WEBSOCKET_GATEWAY = {
    "ENDPOINT_URL": os.environ.get("BOARD_GATEWAY_URL", "http://127.0.0.1:9000"),  # the local gateway
    "CHANNELS": {
        "board": {"HISTORY_MESSAGES": 1_000},  # a page that was away gets what it missed
        "ticket_*": {"PRESENCE": True},  # who looks at a ticket
        "user_*": {"HISTORY_MESSAGES": 200, "HISTORY_SECONDS": 30 * 24 * 3600, "ACKS": True},  # notifications
    },
}
