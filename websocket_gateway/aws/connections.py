"""The `@connections` of a stage: post to a socket, ask whether it is open, close it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from websocket_gateway.aws.clients import management_client
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.errors import translated
from websocket_gateway.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

# One attempt: an engine repeats posts itself, without holding a thread meanwhile.
_POST_ATTEMPTS = 1
_OTHER_ATTEMPTS = 3


class Connections(Protocol):
    """The calls about one connection. Thread-safe; raises our errors only.

    Every method raises `ConnectionGoneError` for a connection that is closed or not yet open,
    another `AWSError` for every other response of AWS, and `ConfigurationError` where
    credentials or settings are at fault, in which case nothing was sent.
    """

    def post(self, endpoint: ManagementEndpoint, connection_id: str, data: bytes) -> None:
        """Send one frame, in one attempt."""
        ...

    def get(self, endpoint: ManagementEndpoint, connection_id: str) -> None:
        """Return if the connection is open."""
        ...

    def delete(self, endpoint: ManagementEndpoint, connection_id: str) -> None:
        """Close the connection; its `$disconnect` follows."""
        ...


class AwsConnections:
    """`Connections` over boto3."""

    def post(self, endpoint: ManagementEndpoint, connection_id: str, data: bytes) -> None:
        """Send one frame, in one attempt of at most `SEND_TIMEOUT_SECONDS`."""
        _require_id(connection_id, "PostToConnection")
        with translated("PostToConnection"):
            self._client(endpoint, _POST_ATTEMPTS).post_to_connection(ConnectionId=connection_id, Data=data)

    def get(self, endpoint: ManagementEndpoint, connection_id: str) -> None:
        """Return if the connection is open."""
        _require_id(connection_id, "GetConnection")
        with translated("GetConnection"):
            self._client(endpoint, _OTHER_ATTEMPTS).get_connection(ConnectionId=connection_id)

    def delete(self, endpoint: ManagementEndpoint, connection_id: str) -> None:
        """Close the connection; its `$disconnect` follows."""
        _require_id(connection_id, "DeleteConnection")
        with translated("DeleteConnection"):
            self._client(endpoint, _OTHER_ATTEMPTS).delete_connection(ConnectionId=connection_id)

    def _client(self, endpoint: ManagementEndpoint, attempts: int) -> ApiGatewayManagementApiClient:
        return management_client(endpoint.region, endpoint.url, attempts=attempts)


def _require_id(connection_id: str, operation: str) -> None:
    # botocore sends an empty id as the path `/@connections/`, which is another resource.
    if not connection_id:
        raise InvalidRequestError(f"{operation}: the connection id is empty.", operation=operation)


_default: Connections = AwsConnections()


def get_connections() -> Connections:
    """The adapter in use: boto3, unless `use_connections` has swapped it."""
    return _default


@contextmanager
def use_connections(connections: Connections) -> Iterator[Connections]:
    """Replace the default adapter, in every thread, within a `with` block."""
    global _default
    before, _default = _default, connections
    try:
        yield connections
    finally:
        _default = before
