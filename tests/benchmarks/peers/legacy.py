"""Settings, URLs and rows of a project with django-aws-api-gateway-websockets, in that package's environment.

`python -m tests.benchmarks.peers.legacy CONNECTIONS` makes the database, prints what a load generator needs
as one line of JSON, and removes the database when its input ends.
"""

from __future__ import annotations

import json
import os
import sys

from django.core.wsgi import get_wsgi_application

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

SECRET = "a-secret-of-the-gateway-with-more-than-32-characters"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django_aws_api_gateway_websockets",
]
DATABASES["default"]["CONN_MAX_AGE"] = 60
ROOT_URLCONF = "tests.benchmarks.peers.legacy_urls"
WEBSOCKETS = {"gateway_secret": SECRET}
AWS_GATEWAY_REGION_NAME = "eu-central-1"
AWS_ACCESS_KEY_ID = "benchmark"
AWS_SECRET_ACCESS_KEY = "benchmark"
LOGGING = {"version": 1, "disable_existing_loggers": True}


def __getattr__(name: str) -> object:
    if name == "application":
        return get_wsgi_application()
    raise AttributeError(name)


def headers(api_id: str, connection_id: str) -> dict[str, str]:
    """What its integration sends with a message."""
    return {
        "Host": "www.example.com",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Real-Ip": "192.0.2.1",
        "X-Amzn-Trace-Id": "Root=1-5e1b4151-5ac6c58f5b5daa6e8b8c1d2e",
        "X-Amzn-Apigateway-Api-Id": api_id,
        "User-Agent": f"AmazonAPIGateway_{api_id}",
        "Connectionid": connection_id,
        "X-Ws-Gateway-Secret": SECRET,
        "Content-Type": "application/json",
    }


def main(number: int) -> None:
    """Make the rows, tell, wait."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.peers.legacy"
    django.setup()
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
    try:
        rows = make_rows(number)
        told = {"name": str(connection.settings_dict["NAME"]), "headers": rows}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        teardown_databases(databases, verbosity=0)


def make_rows(number: int) -> list[dict[str, str]]:
    """A gateway, a user and open sessions of that user; the headers of each."""
    from django.contrib.auth.models import User
    from django_aws_api_gateway_websockets.models import ApiGateway, WebSocketSession, hash_user_auth

    gateway = ApiGateway(
        api_name="legacy", api_id="legacy0001", stage_name="x", target_base_endpoint="https://www.example.com"
    )
    gateway.save(push_to_aws=False)
    user = User.objects.create_user("user", password="password")
    ids = [f"L0SM9cOF{index:07}=" for index in range(number)]
    WebSocketSession.objects.bulk_create(
        WebSocketSession(
            connection_id=item,
            api_gateway=gateway,
            channel_name="lobby",
            user=user,
            auth_hash=hash_user_auth(user),
        )
        for item in ids
    )
    return [headers(gateway.api_id, item) for item in ids]


if __name__ == "__main__":
    main(int(sys.argv[1]))
