"""boto3's session and clients as the settings ask for them. boto3 is imported at the first AWS call.

Credentials come from the profile, else the explicit pair, else boto3's own chain. The region
comes from the gateway, else the settings, else the profile, else boto3's chain.
https://docs.aws.amazon.com/boto3/latest/guide/configuration.html
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from queue import LifoQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from django.core.signals import setting_changed

from websocket_gateway.aws.calls import refuse_other_than_json
from websocket_gateway.aws.errors import setup_errors, translated
from websocket_gateway.conf import get_settings, is_loopback
from websocket_gateway.exceptions import MissingRegionError
from websocket_gateway.forking import PerProcess, cached_per_process
from websocket_gateway.no_fork import no_fork

if TYPE_CHECKING:
    import boto3
    from botocore.client import BaseClient
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_sts import STSClient
    from urllib3.connection import HTTPConnection

    from websocket_gateway.aws.credentials import Credentials, SessionCredentials

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
_LOCAL_REGION = "us-east-1"
_MAX_CLIENTS = 256


class _Session(NamedTuple):
    boto3: boto3.Session
    credentials: SessionCredentials


class _Client(NamedTuple):
    """The arguments that a client is made from."""

    service: str
    region: str
    endpoint_url: str | None
    attempts: int
    connect_timeout: float = CONNECT_TIMEOUT_SECONDS
    read_timeout: float = READ_TIMEOUT_SECONDS
    pool: int = 10


def resolve_region(region_name: str = "") -> str:
    """The region to call: the gateway's own, else the settings', else what boto3 finds.

    Raises `MissingRegionError` naming the settings when there is none.
    """
    if region := region_name or get_settings().region_name:
        return region
    with no_fork, _lock():
        region = _session().boto3.region_name
    if region:
        return region
    if is_loopback(get_settings().endpoint_url):
        return _LOCAL_REGION
    raise MissingRegionError(
        "No AWS region is configured. Set AWS_GATEWAY_REGION_NAME (or AWS_REGION_NAME) in the settings, "
        'such as "eu-central-1".'
    )


def control_plane_client(region: str) -> ApiGatewayV2Client:
    """A client for `apigatewayv2` that makes one attempt per call."""
    endpoint_url = get_settings().endpoint_url
    client: ApiGatewayV2Client = _client(_Client("apigatewayv2", region, endpoint_url, attempts=1))
    return client


def management_client(region: str, endpoint_url: str, *, attempts: int) -> ApiGatewayManagementApiClient:
    """A client for the `@connections` of one stage; `endpoint_url` ends with the stage's name."""
    timeout, pool = get_settings().send_timeout_seconds, get_settings().send_concurrency
    wanted = _Client("apigatewaymanagementapi", region, endpoint_url, attempts, timeout, timeout, pool)
    client: ApiGatewayManagementApiClient = _client(wanted)
    return client


def certificates_client(region: str) -> ACMClient:
    """A client for `acm`, at boto3's own endpoint, that makes one attempt per call."""
    client: ACMClient = _client(_Client("acm", region, None, attempts=1))
    return client


def dns_client(region: str) -> Route53Client:
    """A client for `route53` of the partition that `region` is in; it makes one attempt per call."""
    client: Route53Client = _client(_Client("route53", region, None, attempts=1))
    return client


def account_client(region: str) -> Any:
    """A client for `apigateway`, the older API, which alone knows the account's settings."""
    return _client(_Client("apigateway", region, get_settings().endpoint_url, attempts=2))


def identity_client(region: str) -> STSClient:
    """A client for `sts`, at boto3's own endpoint."""
    client: STSClient = _client(_Client("sts", region, None, attempts=2))
    return client


def partition_of(region: str) -> str:
    """The partition that `region` is in, such as `aws` or `aws-cn`; it begins every ARN."""
    with no_fork, _lock(), setup_errors():
        return str(_session().boto3.get_partition_for_region(region))


def current_credentials() -> Credentials:
    """The credentials as they are now; boto3 refreshes temporary ones before they expire.

    Raises `MissingCredentialsError` where there are none, another `AWSError` where they cannot be renewed.
    """
    with translated("PostToConnection"):
        return _loaded_session().credentials.keys()


def has_placeholder_credentials() -> bool:
    """Whether the credentials are those that a local endpoint is called with where there are none."""
    if not is_loopback(get_settings().endpoint_url):
        return False
    return _loaded_session().credentials.are_placeholders


def config_variable(name: str) -> str | None:
    """A variable of boto3's own configuration: environment, profile, files."""
    with no_fork, _lock():
        value = _session().boto3._session.get_config_variable(name)
    return None if value is None else str(value)


def forget_clients(**kwargs: object) -> None:
    """Drop the cached session and clients; runs by itself when a setting changes."""
    with _lock():
        _session.cache_clear()
        _clients().clear()


setting_changed.connect(forget_clients, dispatch_uid="websocket_gateway.aws.clients")


def _client(wanted: _Client) -> Any:
    """The client for `wanted`, made once. Credentials may take long to load, so no lock is held meanwhile."""
    while (client := _clients().get(wanted)) is None:
        session = _loaded_session()
        # Threads that all start at once wait here for the first of them, which makes the client for all.
        with no_fork, _lock(), setup_errors():
            clients = _clients()
            # A setting may have changed since the session was loaded.
            if session is _session() and wanted not in clients:
                clients[wanted] = _made(wanted, session.boto3)
            while len(clients) > _MAX_CLIENTS:
                del clients[next(iter(clients))]
    return client


def _loaded_session() -> _Session:
    with no_fork, _lock():
        session = _session()
    with no_fork, setup_errors():
        session.credentials.load()
    return session


def _made(wanted: _Client, session: boto3.Session) -> BaseClient:
    from botocore.config import Config

    config = Config(
        connect_timeout=wanted.connect_timeout,
        read_timeout=wanted.read_timeout,
        retries={"mode": "standard", "total_max_attempts": wanted.attempts},
        max_pool_connections=wanted.pool,
    )
    service: Any = wanted.service
    client: BaseClient = session.client(
        service, wanted.region, endpoint_url=wanted.endpoint_url, config=config
    )
    if wanted.service == "apigatewayv2":
        client.meta.events.register("before-parse.apigatewayv2", refuse_other_than_json)
    _opened().add(client)
    return client


@cached_per_process(maxsize=1)
def _session() -> _Session:
    """Made under the lock: boto3 sessions are not thread-safe, while the clients that they make are."""
    import boto3
    import botocore.session

    from websocket_gateway.aws.credentials import SessionCredentials

    settings = get_settings()
    with setup_errors():
        core = botocore.session.Session(profile=settings.iam_profile)
        credentials = SessionCredentials(core, is_local=is_loopback(settings.endpoint_url))
        if settings.access_key_id and settings.secret_access_key:
            credentials.use(settings.access_key_id, settings.secret_access_key, settings.session_token)
        # Passed on explicitly: boto3 would let AWS_DEFAULT_REGION beat the profile's own region.
        region = core.get_scoped_config().get("region") if settings.iam_profile else None
        return _Session(boto3.Session(botocore_session=core, region_name=region or None), credentials)


def _leave_sockets(clients: Iterable[Any]) -> None:
    """Close a forked child's copies of the sockets that idle in the pools of `clients`.

    Only descriptors are closed, nothing is sent: the parent's connections go on, TLS included. A socket on
    which a thread of the parent awaits a response is in no pool; the child never uses its copy.

    `close()` of boto3's clients takes locks that a thread of the parent may have held.
    """
    for client in tuple(clients):
        session = client._endpoint.http_session
        for manager in (session._manager, *session._proxy_managers.values()):
            for pool in tuple(manager.pools._container.values()):
                idle: LifoQueue[HTTPConnection | None] | None = pool.pool
                if idle is not None:
                    connections = list(filter(None, idle.queue))
                    # New locks, and nothing left to close: urllib3 empties the queue when the process ends.
                    idle.__init__(idle.maxsize)  # type: ignore[misc]
                    for connection in connections:
                        connection.close()


# Held while a session or a client is made, never while credentials are loaded or renewed.
_lock = PerProcess(threading.RLock)
_clients: PerProcess[dict[_Client, BaseClient]] = PerProcess(dict)
# Those that were dropped from the cache too: after a fork, parent and child must not share their sockets.
_opened: PerProcess[WeakSet[BaseClient]] = PerProcess(WeakSet, leave=_leave_sockets)
