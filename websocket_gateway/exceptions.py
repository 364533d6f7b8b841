"""The error tree.

::

    WebSocketGatewayError
    ├── AWSError                      .operation .code .status .request_id
    │   ├── AccessDeniedError         403
    │   ├── ThrottledError            429
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── InvalidRequestError       400
    │   ├── ConnectionGoneError       410
    │   ├── PayloadTooLargeError      413
    │   ├── ServiceError              5xx, and every response that is not in this list
    │   └── EndpointUnreachableError  no response: the call may have happened or not
    ├── GatewayNotFoundError          no such row
    ├── GatewayMissingError           the row names no API, or one that AWS does not know
    ├── ForeignGatewayError           the API belongs to another installation
    ├── DeploymentFailedError         AWS ended a deployment as FAILED
    ├── DomainNotReadyError           a custom domain that does not become AVAILABLE without help
    ├── PlanOutdatedError             what AWS reports changed between plan and apply
    ├── GatewayBusyError              another process is changing this gateway right now
    ├── LeaseLostError                another process holds the lease of this gateway now
    ├── InvalidMessageError           (also ValueError) a payload that can never be sent
    ├── DeliveryInterruptedError      .report .last_key (in `websocket_gateway.sending`)
    ├── QueueUnavailableError         the task queue did not accept a task
    │   └── NotEnqueuedError          .run: the broadcast is saved
    ├── RateLimitedError              .retry_after
    ├── LegacyImportError             the older package's tables hold rows that cannot be imported
    └── InvalidEventError             (also SuspiciousOperation) an HTTP request that is not a gateway event
    ConfigurationError                (ImproperlyConfigured) outside the root on purpose
    ├── MissingCredentialsError
    └── MissingRegionError

`ConfigurationError` is outside the root, so that code which tolerates failures of AWS
does not hide a mistake in the settings.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation


class WebSocketGatewayError(Exception):
    """An operation of this package failed; the message names the next step."""


class AWSError(WebSocketGatewayError):
    """AWS refused a call, or did not respond."""

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        code: str = "",
        status: int = 0,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code
        self.status = status
        self.request_id = request_id


class AccessDeniedError(AWSError):
    """The credentials lack a permission; the message names the call."""


class ThrottledError(AWSError):
    """The account's request quota, or one connection's send buffer, is exhausted; try again later."""


class NotFoundError(AWSError):
    """The resource does not exist in this account and region."""


class ConflictError(AWSError):
    """The resource exists already, or another process is changing it."""


class InvalidRequestError(AWSError):
    """AWS rejected the parameters as invalid."""


class ConnectionGoneError(AWSError):
    """The connection is closed, never existed, or its `$connect` has not finished."""


class PayloadTooLargeError(AWSError):
    """The message is larger than AWS accepts (128 KB)."""


class ServiceError(AWSError):
    """AWS had an internal failure, or sent a response that this package does not know."""


class EndpointUnreachableError(AWSError):
    """No response came. A call that changes something may have happened nevertheless."""


class GatewayNotFoundError(WebSocketGatewayError):
    """There is no `ApiGateway` row of that name."""


class GatewayMissingError(WebSocketGatewayError):
    """The row names no API yet, or one that AWS does not know in this account and region."""


class ForeignGatewayError(WebSocketGatewayError):
    """The gateway, or the API found in AWS, carries the fingerprint of another installation."""

    def __init__(self, message: str, *, installation: str = "") -> None:
        super().__init__(message)
        self.installation = installation
        """The fingerprint that the gateway's API carries; empty where that is not known."""


class DeploymentFailedError(WebSocketGatewayError):
    """AWS ended a deployment as FAILED; what was deployed before keeps running."""


class DomainNotReadyError(WebSocketGatewayError):
    """A custom domain does not become AVAILABLE without help, or not in time; the message says why."""


class PlanOutdatedError(WebSocketGatewayError):
    """The state of AWS changed while the plan was applied; plan again."""


class GatewayBusyError(WebSocketGatewayError):
    """Another process is changing this gateway in AWS right now; try again later."""


class LeaseLostError(WebSocketGatewayError):
    """Another process holds the lease of the gateway that this process was changing."""


class InvalidMessageError(WebSocketGatewayError, ValueError):
    """The payload can never be sent: not JSON, too large, or with the reserved key `_ws`."""


class QueueUnavailableError(WebSocketGatewayError):
    """The task queue did not accept a task."""


class NotEnqueuedError(QueueUnavailableError):
    """The task queue did not accept a broadcast, which is saved and can be sent or cancelled."""

    def __init__(self, message: str, *, run: int) -> None:
        super().__init__(message)
        self.run = run
        """The number of the broadcast."""


class RateLimitedError(WebSocketGatewayError):
    """Too many attempts in this window; the next window begins in `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LegacyImportError(WebSocketGatewayError):
    """The older package's tables hold rows that cannot be imported as they are; the message names each."""


class InvalidEventError(WebSocketGatewayError, SuspiciousOperation):
    """The HTTP request is not an event that API Gateway could have sent."""


class ConfigurationError(ImproperlyConfigured):
    """The settings are wrong; the message names the setting and what to write."""


class MissingCredentialsError(ConfigurationError):
    """No AWS credentials could be found."""


class MissingRegionError(ConfigurationError):
    """No AWS region is configured."""
