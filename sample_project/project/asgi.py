"""The ASGI application."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_asgi_application()

from project.exposure import check_start  # noqa: E402 - the users can be read now

with ThreadPoolExecutor(1) as pool:  # servers import this in an event loop, where the database cannot be read
    pool.submit(check_start).result()
