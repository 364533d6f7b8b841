"""boto3 sessions and clients as the settings ask for them.

Credentials come from the profile, else the explicit pair, else boto3's own chain. The region
comes from the gateway, else the settings, else the profile, else boto3's chain.
https://docs.aws.amazon.com/boto3/latest/guide/configuration.html
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakSet

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    CredentialRetrievalError,
    InvalidRegionError,
    NoCredentialsError,
    ProfileNotFound,
    UnknownRegionError,
)
from django.core.signals import setting_changed

from websocket_gateway.aws.engines.signing import Credentials
from websocket_gateway.aws.errors import translated
from websocket_gateway.aws.parsing import refuse_other_than_json
from websocket_gateway.aws.placeholders import PLACEHOLDER_KEY, use_local_credentials
from websocket_gateway.aws.sockets import leave_sockets
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError, MissingRegionError
from websocket_gateway.forking import PerProcess, cached_per_process

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_sts import STSClient

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
_LOCAL_REGION = "us-east-1"
# boto3 sessions are not thread-safe; the clients that they make are.
_lock = PerProcess(threading.RLock)
# After a fork, parent and child must not share the sockets that clients keep open.
_clients: PerProcess[WeakSet[Any]] = PerProcess(WeakSet, leave=leave_sockets)


def is_loopback(url: str | None) -> bool:
    """Whether `url` points at this machine."""
    host = urlsplit(url).hostname if url else None
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolve_region(region_name: str = "") -> str:
    """The region to call: the gateway's own, else the settings', else what boto3 finds.

    Raises `MissingRegionError` naming the settings when there is none.
    """
    with _lock():
        region = region_name or get_settings().region_name or _session().region_name
    if region:
        return region
    if is_loopback(get_settings().endpoint_url):
        return _LOCAL_REGION
    raise MissingRegionError(
        "No AWS region is configured. Set AWS_GATEWAY_REGION_NAME (or AWS_REGION_NAME) in the settings, "
        'such as "eu-central-1".'
    )


@cached_per_process(maxsize=32)
def control_plane_client(region: str) -> ApiGatewayV2Client:
    """A client for `apigatewayv2` that makes one attempt a call."""
    client: ApiGatewayV2Client = _client(
        "apigatewayv2", region, endpoint_url=get_settings().endpoint_url, config=_config(attempts=1)
    )
    client.meta.events.register("before-parse.apigatewayv2", refuse_other_than_json)
    return client


@cached_per_process(maxsize=256)
def management_client(region: str, endpoint_url: str, *, attempts: int) -> ApiGatewayManagementApiClient:
    """A client for the `@connections` of one stage; `endpoint_url` ends with the stage's name."""
    settings = get_settings()
    config = Config(
        connect_timeout=settings.send_timeout_seconds,
        read_timeout=settings.send_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=settings.send_concurrency,
    )
    client: ApiGatewayManagementApiClient = _client(
        "apigatewaymanagementapi", region, endpoint_url=endpoint_url, config=config
    )
    return client


@cached_per_process(maxsize=8)
def certificates_client(region: str) -> ACMClient:
    """A client for `acm`, at boto3's own endpoint, that makes one attempt a call."""
    client: ACMClient = _client("acm", region, endpoint_url=None, config=_config(attempts=1))
    return client


@cached_per_process(maxsize=8)
def dns_client(region: str) -> Route53Client:
    """A client for `route53` of the partition that `region` is in; it makes one attempt a call."""
    client: Route53Client = _client("route53", region, endpoint_url=None, config=_config(attempts=1))
    return client


@cached_per_process(maxsize=8)
def identity_client(region: str) -> STSClient:
    """A client for `sts`, at boto3's own endpoint."""
    client: STSClient = _client("sts", region, endpoint_url=None, config=_config(attempts=2))
    return client


def partition_of(region: str) -> str:
    """The partition that `region` is in, such as `aws` or `aws-cn`; it begins every ARN."""
    with _lock(), _setup_errors():
        return str(_session().get_partition_for_region(region))


def current_credentials() -> Credentials:
    """The credentials as they are now; boto3 refreshes temporary ones before they expire.

    Raises `MissingCredentialsError` where there are none, another `AWSError` where they cannot be renewed.
    """
    with _lock(), translated("PostToConnection"):
        found = _session().get_credentials()
        if found is None:
            raise NoCredentialsError
        try:
            frozen = found.get_frozen_credentials()
        except RuntimeError as exc:  # what botocore raises for new credentials that have expired already
            raise CredentialRetrievalError(provider=str(found.method), error_msg=str(exc)) from exc
    return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token)


def has_placeholder_credentials() -> bool:
    """Whether the credentials are those that a local endpoint is called with where there are none."""
    if not is_loopback(get_settings().endpoint_url):
        return False
    with _lock():
        found = _session().get_credentials()
    return found is not None and found.access_key == PLACEHOLDER_KEY


def config_variable(name: str) -> str | None:
    """A variable of boto3's own configuration: environment, profile, files."""
    with _lock():
        value = _session()._session.get_config_variable(name)
    return None if value is None else str(value)


def _config(attempts: int) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=10,
    )


def _client(service: Any, region: str, *, endpoint_url: str | None, config: Config) -> Any:
    with _lock(), _setup_errors():
        client = _session().client(service, region_name=region, endpoint_url=endpoint_url, config=config)
        _clients().add(client)
        return client


@cached_per_process(maxsize=1)
def _session() -> boto3.Session:
    settings = get_settings()
    with _setup_errors():
        if settings.access_key_id:
            return boto3.Session(
                aws_access_key_id=settings.access_key_id,
                aws_secret_access_key=settings.secret_access_key,
                aws_session_token=settings.session_token,
            )
        core = botocore.session.Session(profile=settings.iam_profile)
        if is_loopback(settings.endpoint_url):
            use_local_credentials(core)
        # Passed on explicitly: boto3 would let AWS_DEFAULT_REGION beat the profile's own region.
        region = core.get_scoped_config().get("region") if settings.iam_profile else None
        return boto3.Session(botocore_session=core, region_name=region or None)


@contextmanager
def _setup_errors() -> Iterator[None]:
    try:
        yield
    except (InvalidRegionError, UnknownRegionError) as exc:
        told: Mapping[str, object] = exc.kwargs
        raise ConfigurationError(
            f"{told.get('region_name')!r} is no AWS region. Correct AWS_GATEWAY_REGION_NAME in the settings, "
            "or the region of the gateway's row."
        ) from exc
    except ProfileNotFound as exc:
        raise ConfigurationError(
            f"{exc}. Correct AWS_IAM_PROFILE in the settings (or AWS_PROFILE in the environment), "
            "or run `aws configure --profile NAME`."
        ) from exc
    except (BotoCoreError, OSError, ValueError) as exc:
        said = " ".join(str(exc).split()).rstrip(".")
        raise ConfigurationError(
            f"boto3 cannot be set up: {said}. Correct what it names: a variable AWS_… of the environment, "
            "or a line of AWS's configuration files."
        ) from exc


_CACHED = (
    _session,
    control_plane_client,
    management_client,
    certificates_client,
    dns_client,
    identity_client,
)


def forget_clients(**kwargs: Any) -> None:
    """Drop every cached session and client; runs by itself when a setting changes."""
    with _lock():
        for cached in _CACHED:
            cached.cache_clear()


setting_changed.connect(forget_clients, dispatch_uid="websocket_gateway.aws.clients")
