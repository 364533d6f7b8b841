"""The views of `tests.views.urls` for a server with an access log, under WSGI and ASGI."""

from __future__ import annotations

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
settings.ROOT_URLCONF = "tests.views.urls"
wsgi = get_wsgi_application()
asgi = get_asgi_application()
