"""Checks of `WEBSOCKET_GATEWAY` and of the flat AWS names."""

from __future__ import annotations

import os
from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage

from websocket_gateway.checks.messages import error, warning
from websocket_gateway.conf import get_settings, is_loopback
from websocket_gateway.exceptions import ConfigurationError, MissingRegionError
from websocket_gateway.metrics.choosing import find as find_recorder
from websocket_gateway.task_queue import find_function


def check_readable() -> Iterator[CheckMessage]:
    """Keys must be known, values of the right type, and a pair of AWS keys complete."""
    try:
        get_settings()
    except ConfigurationError as exc:
        yield error(
            "E001", str(exc), hint="Correct it in the settings; management_docs/settings.md lists every key."
        )


def check_legacy_secret() -> Iterator[CheckMessage]:
    """The secret of the older package is accepted while it is in the settings."""
    if get_settings().legacy_secrets:
        yield warning(
            "W001",
            'WEBSOCKETS["gateway_secret"] of django-aws-api-gateway-websockets is still in the settings, and '
            "is accepted from gateways that were imported and not applied yet.",
            hint="Delete WEBSOCKETS last: after `manage.py import_legacy_gateways`, the deploy of this code, "
            "and five minutes after `manage.py sync_routes`. See management_docs/moving_over.md.",
        )


def check_region() -> Iterator[CheckMessage]:
    """There must be a region in the settings, in boto3's environment or in its profile."""
    if not _has_region():
        yield warning(
            "W002",
            "No AWS region is configured.",
            hint='Set AWS_GATEWAY_REGION_NAME in the settings, such as "eu-central-1".',
        )


def check_task_function() -> Iterator[CheckMessage]:
    """A function that `TASK_BACKEND` names must exist, and take a task's name and arguments."""
    try:
        find_function()
    except ConfigurationError as exc:
        yield warning(
            "W027",
            str(exc),
            hint="Name a function such as `def enqueue(name, kwargs)`, or a backend of TASKS; see "
            "management_docs/task_queues.md.",
        )


def _has_region() -> bool:
    """Whether there is a region. boto3, which is slow to import, is asked only if it could have one."""
    options = get_settings()
    if options.region_name or os.environ.get("AWS_DEFAULT_REGION"):
        return True
    if options.endpoint_url and is_loopback(options.endpoint_url):
        return True  # the local gateway accepts any region
    profile = options.iam_profile or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE")
    if not profile and not _has_aws_files():
        return False
    from websocket_gateway.aws.clients import resolve_region

    try:
        resolve_region()
    except MissingRegionError:
        return False
    except ConfigurationError:
        return True  # a profile that this machine may lack; `check_ws_settings --live` looks for it
    return True


def _has_aws_files() -> bool:
    """Whether boto3 would find a configuration file."""
    files = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
    return any(os.path.exists(os.path.expanduser(os.environ.get(*file))) for file in files.items())


def check_credentials() -> Iterator[CheckMessage]:
    """Keys must not be set beside a profile, which overrides them."""
    if get_settings().iam_profile and getattr(settings, "AWS_ACCESS_KEY_ID", None):
        yield warning(
            "W004",
            "AWS_IAM_PROFILE and AWS_ACCESS_KEY_ID are both set: the profile is used, the keys are not.",
            hint="Delete AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the settings, or AWS_IAM_PROFILE.",
        )


def check_metrics() -> Iterator[CheckMessage]:
    """What `METRICS` names must be installed, and must be a recorder."""
    value = get_settings().metrics
    if value is None:
        return
    try:
        find_recorder(value)
    except ConfigurationError as exc:
        yield error(
            "E012",
            f"No metrics are recorded: {exc}",
            hint="Correct METRICS, or set it to None; monitoring.md.",
        )


def check_keys_in_settings() -> Iterator[CheckMessage]:
    """The secret key must not be written into the settings; reading it from the environment is fine."""
    secret = getattr(settings, "AWS_SECRET_ACCESS_KEY", None)
    if secret and secret != os.environ.get("AWS_SECRET_ACCESS_KEY"):
        yield warning(
            "W003",
            "AWS_SECRET_ACCESS_KEY is written into the settings.",
            hint="Give the machine a role, or read it: "
            'AWS_SECRET_ACCESS_KEY = os.environ["AWS_SECRET_ACCESS_KEY"], and the key id likewise.',
        )


def check_origin_secret() -> Iterator[CheckMessage]:
    """Without the secret, the API id is enough to send events."""
    if not get_settings().origin_secret_required:
        yield warning(
            "W005",
            'WEBSOCKET_GATEWAY["ORIGIN_SECRET_REQUIRED"] is False: a client that knows the API id, '
            "which is part of every socket URL, can send events for any connection.",
            hint='Run `manage.py sync_routes`, then delete "ORIGIN_SECRET_REQUIRED" from WEBSOCKET_GATEWAY.',
        )


def check_endpoint_url() -> Iterator[CheckMessage]:
    """The local gateway is not a production server."""
    endpoint_url = get_settings().endpoint_url
    if endpoint_url and is_loopback(endpoint_url):
        yield warning(
            "W006",
            f'WEBSOCKET_GATEWAY["ENDPOINT_URL"] is {endpoint_url}: AWS is never called.',
            hint='Delete "ENDPOINT_URL" from WEBSOCKET_GATEWAY outside development.',
        )


def check_execution_log() -> Iterator[CheckMessage]:
    """The execution log must not be at INFO, where it shows mapped header values."""
    for name, options in get_settings().gateways:
        if options.logging_level == "INFO":
            yield warning(
                "W007",
                f"The execution log of gateway {name!r} is at INFO, where it can show the origin secret.",
                hint=f'Set WEBSOCKET_GATEWAY["GATEWAYS"][{name!r}]["LOGGING_LEVEL"] = "ERROR".',
            )
