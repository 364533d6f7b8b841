"""Errors of the local gateway: those of AWS, and the one that stops it from starting."""

from __future__ import annotations


class LocalGatewayError(Exception):
    """The local gateway cannot start or continue. The message is one line for the user."""


def missing_extra(exc: ImportError) -> LocalGatewayError:
    """Return the error for a missing extra `local`, without which the server cannot be imported."""
    return LocalGatewayError(
        f"The local gateway needs {exc.name}: pip install 'django-websocket-gateway[local]'"
    )


class ApiError(Exception):
    """An error in the form of AWS: status, error type, message."""

    status = 400
    code = "BadRequestException"

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadRequestError(ApiError):
    """The request is malformed, or AWS does not accept its values."""


class NotFoundError(ApiError):
    """The resource does not exist."""

    status = 404
    code = "NotFoundException"


class ConflictError(ApiError):
    """The resource exists already, or another resource depends on it."""

    status = 409
    code = "ConflictException"


class QuotaError(ApiError):
    """A quota is exceeded, or the request was throttled."""

    status = 429
    code = "TooManyRequestsException"


class ForbiddenError(ApiError):
    """Unsigned, wrongly signed, or addressed to a stage or path that does not exist."""

    status = 403
    code = "ForbiddenException"


class AccessDeniedError(ApiError):
    """Access is denied, in the form of the control plane."""

    status = 403
    code = "AccessDeniedException"


class GoneError(ApiError):
    """The connection is closed, does not exist, or its `$connect` has not finished."""

    status = 410
    code = "GoneException"


class PayloadTooLargeError(ApiError):
    """The message is larger than 128 KB."""

    status = 413
    code = "PayloadTooLargeException"


class LimitExceededError(ApiError):
    """There are too many posts, or the client does not read its messages."""

    status = 429
    code = "LimitExceededException"


class InternalError(ApiError):
    """The gateway itself failed."""

    status = 500
    code = "InternalServerErrorException"
