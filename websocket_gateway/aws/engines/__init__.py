"""Posting to many connections at once: two engines, and the choice between them.

The engines are imported when they are chosen: they import boto3, httptools and ssl.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from websocket_gateway.aws.clients import current_credentials
from websocket_gateway.aws.connections import AwsConnections, Connections
from websocket_gateway.aws.engines.base import Engine, Limits, Recipient
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.no_fork import has_green_threads, no_fork

# boto3 keeps its connections from one run to the next, so a few recipients have theirs before ours are open.
FEW = 16


def open_engine(
    name: str, *, first_page: Sequence[Recipient], connections: Connections, limits: Limits
) -> Engine:
    """The engine called `name` (`auto`, `asyncio` or `boto3`) for a run that begins with `first_page`.

    `auto` is asyncio, but boto3 for up to 16 recipients, where a proxy must be used, where gevent or eventlet
    took the place of threads, and where `connections` was swapped for a test. Raises `ConfigurationError` for
    asyncio where a proxy must be used, and where there are no real threads.
    """
    urls = sorted({recipient.endpoint.url for recipient in first_page})
    proxied = next((url for url in urls if needs_proxy(url)), None)
    if name == "asyncio" and proxied:
        raise ConfigurationError(
            f'A proxy is configured for {proxied}, and the engine "asyncio" uses none. '
            'Use "auto" or "boto3", or name the host in NO_PROXY.'
        )
    if name == "asyncio" and has_green_threads():
        raise ConfigurationError(
            'gevent or eventlet took the place of threads, and the engine "asyncio" needs real ones: two '
            'broadcasts at once would disturb each other. Use "auto" or "boto3".'
        )
    fast = isinstance(connections, AwsConnections) and not proxied and not has_green_threads()
    if name == "asyncio" or (name == "auto" and fast and len(first_page) > FEW):
        with no_fork:
            from websocket_gateway.aws.engines.asyncio_loop import AsyncioEngine
            from websocket_gateway.aws.engines.dialing import ca_bundle

        return AsyncioEngine(limits=limits, ca_bundle=ca_bundle(), credentials=current_credentials)
    with no_fork:
        from websocket_gateway.aws.engines.boto3_threads import Boto3Engine

    return Boto3Engine(connections=connections, limits=limits)


def needs_proxy(url: str) -> bool:
    """Whether the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) puts a proxy before `url`."""
    with no_fork:
        from botocore.utils import get_environ_proxies

    return bool(get_environ_proxies(url).get(urlsplit(url).scheme))
