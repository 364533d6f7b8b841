"""What the local gateway answers when it refuses, and what stops it from starting."""

from __future__ import annotations


class LocalGatewayError(Exception):
    """The local gateway cannot start or go on; the message is one line for a person."""


def missing_extra(exc: ImportError) -> LocalGatewayError:
    """What to raise where the server cannot be imported, because the extra `local` is not installed."""
    return LocalGatewayError(
        f"The local gateway needs {exc.name}: pip install 'django-websocket-gateway[local]'"
    )


class ApiError(Exception):
    """A refusal in the form AWS gives it: status, error type, message."""

    status = 400
    code = "BadRequestException"

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadRequestError(ApiError):
    """The request is malformed, or AWS would judge its values invalid."""


class NotFoundError(ApiError):
    """No such resource."""

    status = 404
    code = "NotFoundException"


class ConflictError(ApiError):
    """It exists already, or something else still needs it."""

    status = 409
    code = "ConflictException"


class QuotaError(ApiError):
    """A quota is used up, or the request was throttled."""

    status = 429
    code = "TooManyRequestsException"


class ForbiddenError(ApiError):
    """Unsigned, wrongly signed, or addressed to a stage or path that does not exist."""

    status = 403
    code = "ForbiddenException"


class AccessDeniedError(ApiError):
    """The control plane's form of a refusal."""

    status = 403
    code = "AccessDeniedException"


class GoneError(ApiError):
    """The connection is closed, never was, or its `$connect` has not finished."""

    status = 410
    code = "GoneException"


class PayloadTooLargeError(ApiError):
    """The message is larger than 128 KB."""

    status = 413
    code = "PayloadTooLargeException"


class LimitExceededError(ApiError):
    """Too many posts, or the client does not read what it is sent."""

    status = 429
    code = "LimitExceededException"


class InternalError(ApiError):
    """The gateway itself failed."""

    status = 500
    code = "InternalServerErrorException"
