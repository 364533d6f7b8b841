"""Settings of the shop with several organisations, for this machine only."""

from __future__ import annotations

import os
from pathlib import Path

SECRET_KEY = "for-the-shop-on-your-own-machine-only"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "websocket_gateway",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "shop.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", Path(__file__).with_name("shop.sqlite3")),
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
CSRF_TRUSTED_ORIGINS = ["http://127.0.0.1:8000"]

WEBSOCKET_GATEWAY = {
    "ENDPOINT_URL": "http://127.0.0.1:9000",  # the local gateway
    "CHANNELS": {"org*": {"HISTORY_MESSAGES": 1_000}},
}
