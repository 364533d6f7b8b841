"""The strange project with a schema of PostgreSQL for each tenant (django-tenants), without a replica."""

from __future__ import annotations

import os

from tests.strange_project.settings import *  # noqa: F403
from tests.strange_project.settings import INSTALLED_APPS, MIDDLEWARE

_NAME = os.environ.get("WEBSOCKET_GATEWAY_TEST_NAME", "websocket_gateway")

DATABASES = {
    "default": {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": _NAME,
        "USER": os.environ.get("WEBSOCKET_GATEWAY_TEST_USER", "root"),
        "PASSWORD": os.environ.get("WEBSOCKET_GATEWAY_TEST_PASSWORD", ""),
        "HOST": "127.0.0.1",
        "ATOMIC_REQUESTS": True,
        "TEST": {"NAME": f"test_tenants_of_{_NAME}"},
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["django_tenants", "tests.strange_project.tenants", "django.contrib.staticfiles"]
TENANT_APPS = [app for app in INSTALLED_APPS if app != "django.contrib.staticfiles"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware", *MIDDLEWARE]
ALLOWED_HOSTS = [".example.com", "localhost"]
TENANT_MODEL = "tenants.Company"
TENANT_DOMAIN_MODEL = "tenants.Domain"
WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": ["https://*.example.com"]}
