"""`manage.py runserver`: Django's own, but not to others with the published passwords."""

from __future__ import annotations

import os
from typing import Any

from django.contrib.staticfiles.management.commands import runserver
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from project.exposure import EXPOSED, HOW_TO_EXPOSE, PUBLIC_HOST, SECRETS_FILE, check_start, is_loopback


class Command(runserver.Command):
    """Refuses to start where it would not be safe."""

    addr: str

    def run(self, **options: Any) -> None:
        """Check, say where the passwords are, serve."""
        if not EXPOSED and not is_loopback(self.addr):
            raise CommandError(HOW_TO_EXPOSE)
        try:
            check_start()
        except ImproperlyConfigured as exc:
            raise CommandError(str(exc)) from exc
        if EXPOSED and os.environ.get("RUN_MAIN") != "true":  # once, not at every reload
            self.stderr.write(f"Exposed as {PUBLIC_HOST}. The passwords of both users are in {SECRETS_FILE}")
        super().run(**options)
