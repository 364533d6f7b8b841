"""The settings of the suite, with another model of users and without what needs the usual one."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _APPS

AUTH_USER_MODEL = f"keyed_users.{os.environ['STRANGE_KEY']}Person"
INSTALLED_APPS = ["tests.keyed_users", *(app for app in _APPS if app != "django.contrib.admin")]
ROOT_URLCONF = "tests.keyed_users.urls"
