"""Settings of the test suite. The database is a file, so that threads and live servers can share it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "websocket_gateway",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
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
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# `sqlite` (the default), `postgresql` or `mysql`; the two servers are expected on loopback.
_ENGINE = os.environ.get("WEBSOCKET_GATEWAY_TEST_DATABASE", "sqlite")


def _temporary_file() -> str:
    return str(Path(tempfile.mkdtemp(prefix="websocket-gateway-")) / "test.sqlite3")


def _database() -> dict[str, Any]:
    if _ENGINE == "sqlite":
        # Through the environment, so that a command run as a process of its own meets the same file.
        file = os.environ.get("WEBSOCKET_GATEWAY_TEST_NAME") or _temporary_file()
        os.environ["WEBSOCKET_GATEWAY_TEST_NAME"] = file
        # Processes are killed here, not machines: no COMMIT needs to wait for the disk.
        options = {"init_command": "PRAGMA synchronous = OFF"}
        engine = "django.db.backends.sqlite3"
        return {"ENGINE": engine, "NAME": file, "TEST": {"NAME": file}, "OPTIONS": options}
    return {
        "ENGINE": f"django.db.backends.{_ENGINE}",
        "NAME": os.environ.get("WEBSOCKET_GATEWAY_TEST_NAME", "websocket_gateway"),
        "USER": os.environ.get("WEBSOCKET_GATEWAY_TEST_USER", "root"),
        "PASSWORD": os.environ.get("WEBSOCKET_GATEWAY_TEST_PASSWORD", ""),
        "HOST": "127.0.0.1",
        **({"OPTIONS": {"charset": "utf8mb4"}} if _ENGINE == "mysql" else {}),
    }


DATABASES = {"default": _database()}
