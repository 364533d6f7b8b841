"""Which credentials, which region: real boto3 sessions, configuration files written for each test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from websocket_gateway.aws import clients
from websocket_gateway.conf import is_loopback
from websocket_gateway.exceptions import ConfigurationError, MissingRegionError

LOOPBACK = {"ENDPOINT_URL": "http://127.0.0.1:9000"}


@pytest.fixture(autouse=True)
def fresh_clients() -> None:
    clients.forget_clients()


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[profile staging]\nregion = eu-south-1\n[profile bare]\n")
    credentials.write_text("[staging]\naws_access_key_id = STAGING\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)


def key_in_use() -> str:
    client = clients.control_plane_client("eu-west-1")
    credentials = client._request_signer._credentials  # type: ignore[attr-defined]
    return str(credentials.access_key)


def test_the_environment_serves_where_the_settings_say_nothing() -> None:
    assert (key_in_use(), clients.resolve_region()) == ("testing", "eu-west-1")


@override_settings(AWS_ACCESS_KEY_ID="PAIR", AWS_SECRET_ACCESS_KEY="s")
def test_the_explicit_pair_beats_the_environment() -> None:
    assert key_in_use() == "PAIR"


@pytest.mark.usefixtures("profiles")
@override_settings(AWS_IAM_PROFILE="staging", AWS_ACCESS_KEY_ID="PAIR", AWS_SECRET_ACCESS_KEY="s")
def test_the_profile_beats_everything_and_brings_its_region() -> None:
    assert (key_in_use(), clients.resolve_region()) == ("STAGING", "eu-south-1")


@pytest.mark.usefixtures("profiles")
@override_settings(AWS_IAM_PROFILE="staging", AWS_REGION_NAME="eu-north-1")
def test_a_region_in_the_settings_beats_the_profile_s_and_a_gateway_s_own_beats_both() -> None:
    assert clients.resolve_region() == "eu-north-1"
    assert clients.resolve_region("us-east-2") == "us-east-2"


@pytest.mark.usefixtures("profiles")
@override_settings(AWS_IAM_PROFILE="nobody")
def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"nobody.*Correct AWS_IAM_PROFILE"):
        clients.control_plane_client("eu-west-1")


@pytest.mark.parametrize("region", ["eu central 1", "\u00e9"])
def test_a_region_that_can_be_none_is_named_with_the_settings(region: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not an AWS region\. Correct AWS_GATEWAY_REGION_NAME"):
        clients.control_plane_client(region)


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_DEFAULTS_MODE", "never"), ("AWS_ENDPOINT_URL_ACM", "no url"), ("AWS_ENDPOINT_URL", "a\nb")],
)
def test_what_boto3_cannot_be_set_up_with_is_told_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=r"boto3 cannot be set up: .*AWS_") as caught:
        clients.certificates_client("eu-west-1")

    assert " ".join(value.split()) in str(caught.value)


def test_a_broken_configuration_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[default\nregion = x")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    with pytest.raises(ConfigurationError, match=r"boto3 cannot be set up: .*config"):
        clients.control_plane_client("eu-west-1")


@pytest.mark.usefixtures("no_credentials")
def test_without_a_region_both_settings_are_named() -> None:
    with pytest.raises(MissingRegionError, match=r"AWS_GATEWAY_REGION_NAME \(or AWS_REGION_NAME\)"):
        clients.resolve_region()


@pytest.mark.usefixtures("no_credentials")
@override_settings(WEBSOCKET_GATEWAY=LOOPBACK)
def test_on_a_loopback_endpoint_missing_credentials_and_region_are_filled_with_dummies() -> None:
    assert (key_in_use(), clients.resolve_region()) == ("local", "us-east-1")


@override_settings(WEBSOCKET_GATEWAY=LOOPBACK)
def test_on_a_loopback_endpoint_real_credentials_are_still_used() -> None:
    assert (key_in_use(), clients.resolve_region()) == ("testing", "eu-west-1")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:9000", True),
        ("http://localhost:9000", True),
        ("http://gateway.localhost", True),
        ("https://localhost.example.com", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example.com", False),
        (None, False),
    ],
)
def test_loopback_is_told_from_look_alikes(url: str | None, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_clients_have_explicit_timeouts_retries_and_pool() -> None:
    config: Any = clients.management_client("eu-west-1", "https://x.example.com/live", attempts=1).meta.config

    assert (config.connect_timeout, config.read_timeout) == (5, 5)
    assert config.max_pool_connections == 128
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
