"""Settings: every key, its default, what a wrong value says."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from django.test import override_settings

from websocket_gateway.conf import GatewayOptions, GatewaySettings, get_settings
from websocket_gateway.exceptions import ConfigurationError

DEFAULTS: dict[str, Any] = {
    "TOKEN_EXPIRY_SECONDS": 60,
    "TOKEN_BY": "query",
    "TOKEN_RATE_LIMIT_PER_MINUTE": 60,
    "RATE_LIMIT_MAX_ATTEMPTS": 20,
    "RATE_LIMIT_WINDOW_MINUTES": 5,
    "MAX_CONNECTIONS_PER_USER": 100,
    "MAX_MESSAGES_PER_MINUTE": 600,
    "ALLOWED_ORIGINS": None,
    "ORIGIN_SECRET_REQUIRED": True,
    "ALLOWED_TARGET_HOSTS": (),
    "ENDPOINT_URL": None,
    "CONNECT_GRACE_SECONDS": 15,
    "MAX_CONNECTION_SECONDS": 7200,
    "SESSION_RETENTION_DAYS": 7,
    "ACTIVITY_RETENTION_DAYS": 0,
    "SEND_ENGINE": "auto",
    "SEND_CONCURRENCY": 128,
    "SEND_MAX_PER_SECOND": 2000,
    "TASK_BACKEND": "default",
    "TASK_QUEUE": "default",
    "ADMIN_PROVISIONING": True,
    "MAX_AGE_GRACE_SECONDS": 300,
    "SEND_TIMEOUT_SECONDS": 5,
    "SEND_DEADLINE_SECONDS": 60,
    "REQUEST_SEND_DEADLINE_SECONDS": 3,
    "METRICS": None,
    "GATEWAYS": (),
    "CHANNELS": (),
    "HISTORY_PAGE_BYTES": 30_000,
    "PRESENCE_EVENTS_UP_TO": 100,
    "GATEWAY_CACHE_SECONDS": 30,
    "DEFAULT_GATEWAY": "",
    "INSTALLATION_NAME": "",
}


def test_the_defaults_are_the_documented_ones() -> None:
    settings = get_settings()

    assert {key: getattr(settings, key.lower()) for key in DEFAULTS} == DEFAULTS
    assert {item.name.upper() for item in fields(GatewaySettings) if item.metadata} == set(DEFAULTS)


def test_a_changed_setting_is_seen_at_once() -> None:
    assert get_settings().token_expiry_seconds == 60

    with override_settings(WEBSOCKET_GATEWAY={"TOKEN_EXPIRY_SECONDS": 5}):
        assert get_settings().token_expiry_seconds == 5

    assert get_settings().token_expiry_seconds == 60


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"TOKEN_EXPIRY_SECOND": 5}, "Did you mean 'TOKEN_EXPIRY_SECONDS'", id="misspelt"),
        pytest.param({"token_expiry_seconds": 5}, "Did you mean 'TOKEN_EXPIRY_SECONDS'", id="lower case"),
        pytest.param({"COLOUR": 5}, "Known keys: ACTIVITY_RETENTION_DAYS", id="unknown"),
        pytest.param({"TOKEN_EXPIRY_SECONDS": "5"}, "must be an integer, not '5'", id="text"),
        pytest.param({"TOKEN_EXPIRY_SECONDS": True}, "must be an integer", id="flag for a number"),
        pytest.param({"TOKEN_EXPIRY_SECONDS": 0}, "at least 1", id="too small"),
        pytest.param({"ORIGIN_SECRET_REQUIRED": 1}, "must be True or False", id="number for a flag"),
        pytest.param({"ALLOWED_ORIGINS": "https://a.example"}, "must be a list of strings", id="no list"),
        pytest.param({"ALLOWED_ORIGINS": [""]}, "only non-empty strings", id="empty entry"),
        pytest.param({"SEND_ENGINE": "fast"}, "one of auto, asyncio, boto3", id="choice"),
        pytest.param({"ENDPOINT_URL": "localhost:9000"}, "must be a URL", id="no url"),
        pytest.param({"ENDPOINT_URL": "http://[::1"}, "must be a URL", id="half an address"),
        pytest.param({"ENDPOINT_URL": "http://127.0.0.1:99999"}, "must be a URL", id="no port"),
        pytest.param({"GATEWAYS": ["chat"]}, "must be a dict of gateway names", id="gateways"),
        pytest.param(
            {"GATEWAYS": {"chat": {"TIMEOUT": 1}}}, r"\['chat'\] has the unknown key", id="gateway key"
        ),
        pytest.param(
            {"GATEWAYS": {"chat": {"INTEGRATION_TIMEOUT_MS": 30_000}}}, "at most 29000", id="gateway value"
        ),
        pytest.param({"GATEWAYS": {"chat": {"TAGS": {"a": 1}}}}, "dict of strings", id="gateway tags"),
        pytest.param([], "must be a dict, not list", id="no dict"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_key(given: Any, message: str) -> None:
    if given == []:
        given = ["x"]
    with override_settings(WEBSOCKET_GATEWAY=given), pytest.raises(ConfigurationError, match=message):
        get_settings()


def test_an_empty_string_counts_as_unset() -> None:
    with override_settings(
        AWS_GATEWAY_REGION_NAME="", AWS_REGION_NAME="eu-north-1", WEBSOCKET_GATEWAY={"ENDPOINT_URL": ""}
    ):
        assert (get_settings().region_name, get_settings().endpoint_url) == ("eu-north-1", None)


def test_the_preferred_region_name_wins() -> None:
    with override_settings(AWS_GATEWAY_REGION_NAME="eu-west-3", AWS_REGION_NAME="eu-north-1"):
        assert get_settings().region_name == "eu-west-3"


@pytest.mark.parametrize(
    ("key", "missing"),
    [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_half_a_pair_of_keys_is_an_error_unless_a_profile_wins(key: str, missing: str) -> None:
    with override_settings(**{key: "x"}):
        with pytest.raises(ConfigurationError, match=f"{missing} is not set"):
            get_settings()
        with override_settings(AWS_IAM_PROFILE="staging"):
            assert get_settings().iam_profile == "staging"


def test_a_profile_wins_over_the_pair_and_the_session_token_goes_with_the_pair() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
    with override_settings(**keys):
        pair = get_settings()
        assert (pair.access_key_id, pair.secret_access_key, pair.session_token) == ("id", "secret", "token")
        with override_settings(AWS_IAM_PROFILE="staging"):
            assert get_settings().access_key_id is None


def test_keys_never_show_in_a_repr() -> None:
    with override_settings(AWS_ACCESS_KEY_ID="AKIAX", AWS_SECRET_ACCESS_KEY="hush", AWS_SESSION_TOKEN="tok"):
        shown = repr(get_settings())

    assert not any(secret in shown for secret in ("AKIAX", "hush", "tok'"))


def test_options_of_one_gateway_are_read_by_its_name() -> None:
    with override_settings(
        WEBSOCKET_GATEWAY={"GATEWAYS": {"chat": {"THROTTLING_RATE_LIMIT": 5, "LOGGING_LEVEL": "ERROR"}}}
    ):
        chat, other = get_settings().gateway_options("chat"), get_settings().gateway_options("other")

    assert (chat.throttling_rate_limit, chat.logging_level) == (5.0, "ERROR")
    assert other == GatewayOptions()
