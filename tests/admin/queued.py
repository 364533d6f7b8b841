"""Confirms a plan in the admin of a project with a task queue, then has its worker run; to be run itself."""

from __future__ import annotations

import re
import sys

import django
from django.core.management import call_command
from django.test import Client, override_settings

from websocket_gateway.testing.gateway import local_gateway


def confirm_and_work() -> None:
    """Print what the page says, and whether the gateway is in AWS, before and after the worker."""
    from django.contrib.auth.models import User

    from websocket_gateway.models import ApiGateway

    call_command("migrate", verbosity=0)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    gateway = ApiGateway.objects.create(api_name="chat", target_base_endpoint="http://127.0.0.1/ws/")
    url = f"/admin/websocket_gateway/apigateway/{gateway.pk}/plan/"
    page = client.get(url).content.decode()
    found = re.search(r'name="fingerprint" value="(\w+)"', page)
    answer = client.post(url, {"fingerprint": found[1] if found else ""}, follow=True).content.decode()
    said = [f"queued: {'Your task queue applies it' in page} {'The plan is in the queue' in answer}"]
    said.append(f"before: {ApiGateway.objects.get().api_created}")
    call_command("db_worker", batch=True, interval=0, startup_delay=False, verbosity=0)
    gateway.refresh_from_db()
    said.append(f"after: {gateway.api_created} {gateway.last_error}")
    sys.stdout.write("\n".join(said))


if __name__ == "__main__":
    django.setup()
    with (
        local_gateway() as running,
        override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": running.endpoint_url}),
    ):
        confirm_and_work()
