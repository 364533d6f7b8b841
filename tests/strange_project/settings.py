"""A project in which all that may be unusual is so, at once. `test_strange_project.py` runs its tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_FOLDER = Path(os.environ["STRANGE_PROJECT_FOLDER"])


def _database(name: str) -> dict[str, Any]:
    file = str(_FOLDER / f"{name}.sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "TEST": {"NAME": file},
        "ATOMIC_REQUESTS": True,
    }


SECRET_KEY = "only-for-the-tests-of-the-strange-project"
DEBUG = False
ALLOWED_HOSTS = ["strange.example.com"]
USE_TZ = False
TIME_ZONE = "America/New_York"
LANGUAGE_CODE = "de"
LANGUAGES = [("de", "Deutsch"), ("en", "English")]
ROOT_URLCONF = "tests.strange_project.urls"
STATIC_URL = "/static/"
INSTALLED_APPS = [
    "tests.strange_project.people",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "websocket_gateway",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = ["tests.strange_project.people.backends.DirectoryBackend"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
DATABASES = {"default": _database("default"), "replica": _database("replica")}
DATABASE_ROUTERS = ["tests.strange_project.routers.ReplicaRouter"]
WEBSOCKET_GATEWAY: dict[str, Any] = {"ALLOWED_ORIGINS": ["https://strange.example.com"]}
AWS_GATEWAY_REGION_NAME = "eu-west-1"
