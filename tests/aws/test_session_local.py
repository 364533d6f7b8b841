"""A local endpoint and the profiles that people have: nothing asks AWS, and every call goes through."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.sink import Sink, running_sink, sink_fixture
from websocket_gateway.aws import clients
from websocket_gateway.aws.connections import get_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.exceptions import ConfigurationError

__all__ = ["sink_fixture"]

CONFIG = """
[profile keys]
aws_access_key_id = KEYS
aws_secret_access_key = s
region = eu-south-1
[profile source-profile]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = keys
region = eu-south-1
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/me
[profile chain]
role_arn = arn:aws:iam::123456789012:role/second
source_profile = source-profile
[profile incomplete]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = missing
[profile environment]
role_arn = arn:aws:iam::123456789012:role/deploy
credential_source = Environment
[profile instance]
role_arn = arn:aws:iam::123456789012:role/deploy
credential_source = Ec2InstanceMetadata
[profile web-identity]
role_arn = arn:aws:iam::123456789012:role/deploy
web_identity_token_file = {token}
[profile process]
credential_process = {python} {program}
[profile sso]
sso_session = company
sso_account_id = 123456789012
sso_role_name = developer
region = eu-south-1
[sso-session company]
sso_region = eu-south-1
sso_start_url = https://company.awsapps.com/start
[profile old-sso]
sso_region = eu-south-1
sso_start_url = https://company.awsapps.com/start
sso_account_id = 123456789012
sso_role_name = developer
[profile login]
login_session = arn:aws:iam::123456789012:user/me
[profile bare]
"""
PLACEHOLDERS = [
    *("source-profile", "mfa", "chain", "incomplete", "environment", "instance"),
    *("web-identity", "sso", "old-sso", "login", "bare"),
]
WITH_A_REGION = {"keys", "source-profile", "sso"}


@pytest.fixture
def aws() -> Iterator[Sink]:
    """Stands where every other service of AWS would be."""
    with running_sink() as server:
        yield server


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Prints credentials, as the program of a profile does, and counts how often it ran."""
    path = tmp_path / "program.py"
    printed = json.dumps({"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "s"})
    path.write_text(f"open({str(tmp_path / 'runs')!r}, 'a').write('.')\nprint({printed!r})\n")
    return path


@pytest.fixture(autouse=True)
def profiles(
    tmp_path: Path, program: Path, aws: Sink, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    config, token = tmp_path / "config", tmp_path / "token"
    config.write_text(CONFIG.format(token=token, python=sys.executable, program=program))
    token.write_text("a token")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("STS", "SSO", "SSO_OIDC", "SIGNIN"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", f"http://127.0.0.1:{aws.port}")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{aws.port}")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    with override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": f"http://127.0.0.1:{sink.port}"}):
        clients.forget_clients()
        yield
    clients.forget_clients()


@pytest.fixture(params=["setting", "environment"])
def use_profile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    """Choose a profile, by each of the two ways."""

    def use(name: str) -> None:
        if request.param == "setting":
            settings.AWS_IAM_PROFILE = name
        else:
            monkeypatch.setenv("AWS_PROFILE", name)
        clients.forget_clients()

    return use


def post(sink: Sink) -> None:
    endpoint = ManagementEndpoint(f"http://127.0.0.1:{sink.port}/_api/abc/live", clients.resolve_region())
    get_connections().post(endpoint, "a=", b"hello")


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_a_profile_whose_credentials_aws_would_have_to_give_is_served_with_placeholders(
    name: str, use_profile: Any, sink: Sink, aws: Sink
) -> None:
    use_profile(name)

    post(sink)

    assert sink.received == {"a=": [b"hello"]}
    assert clients.current_credentials().access_key == "local"
    assert clients.has_placeholder_credentials()
    assert clients.resolve_region() == ("eu-south-1" if name in WITH_A_REGION else "us-east-1")
    assert aws.requests == []


@pytest.mark.parametrize(("name", "key"), [("keys", "KEYS"), ("process", "PROCESS")])
def test_a_profile_whose_credentials_this_machine_holds_is_used(
    name: str, key: str, use_profile: Any, sink: Sink, aws: Sink
) -> None:
    use_profile(name)

    post(sink)

    assert sink.received == {"a=": [b"hello"]}
    assert clients.current_credentials().access_key == key
    assert not clients.has_placeholder_credentials()
    assert aws.requests == []


def test_the_program_of_a_profile_runs_once(use_profile: Any, sink: Sink, tmp_path: Path) -> None:
    use_profile("process")

    post(sink)
    post(sink)

    assert (tmp_path / "runs").read_text() == "."


def test_a_profile_that_does_not_exist_is_named(use_profile: Any, sink: Sink) -> None:
    use_profile("missing")

    with pytest.raises(ConfigurationError, match=r"missing.*Correct AWS_IAM_PROFILE.*\(or AWS_PROFILE"):
        post(sink)


def test_a_program_that_fails_is_told_in_one_line(use_profile: Any, sink: Sink, program: Path) -> None:
    program.write_text("import sys; sys.exit('not logged in')")
    use_profile("process")

    with pytest.raises(ConfigurationError, match="not logged in") as caught:
        post(sink)

    assert "\n" not in str(caught.value)


def test_the_role_of_a_pod_is_not_asked_for(
    sink: Sink, aws: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    clients.forget_clients()

    post(sink)

    assert sink.received == {"a=": [b"hello"]}
    assert aws.requests == []
