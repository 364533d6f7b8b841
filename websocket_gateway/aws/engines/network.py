"""The network as boto3 would use it: trusted certificates and proxies, from its own configuration."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from websocket_gateway.aws.clients import config_variable
from websocket_gateway.exceptions import ConfigurationError


def ca_bundle() -> str:
    """The file or folder of certificates that boto3 trusts: `AWS_CA_BUNDLE`, the profile's, or its own.

    Raises `ConfigurationError` for a path where there is nothing.
    """
    configured = config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    path = configured or str(get_cert_path(True))
    if not os.path.exists(path):
        raise ConfigurationError(f"The CA bundle {path!r} does not exist. Correct AWS_CA_BUNDLE.")
    return path


def needs_proxy(url: str) -> bool:
    """Whether the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) puts a proxy before `url`."""
    return bool(get_environ_proxies(url).get(urlsplit(url).scheme))
