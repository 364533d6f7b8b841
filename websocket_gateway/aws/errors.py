"""Translates what boto3 raises into our errors: one table, closed by default.

Classified by error code, else by HTTP status; a response with neither in the table is a
`ServiceError`, never "gone". AWS sometimes leaves the code out, then botocore reports the
status as the code. botocore is imported when there is something to translate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from websocket_gateway import exceptions as errors
from websocket_gateway.aws.permissions import needed_actions
from websocket_gateway.conf import get_settings
from websocket_gateway.no_fork import no_fork

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_BY_CODE: dict[str, type[errors.AWSError]] = {
    "AccessDenied": errors.AccessDeniedError,
    "AccessDeniedException": errors.AccessDeniedError,
    "ExpiredToken": errors.AccessDeniedError,
    "ExpiredTokenException": errors.AccessDeniedError,
    "ForbiddenException": errors.AccessDeniedError,
    "IncompleteSignatureException": errors.AccessDeniedError,
    "InvalidClientTokenId": errors.AccessDeniedError,
    "InvalidSignatureException": errors.AccessDeniedError,
    "MissingAuthenticationTokenException": errors.AccessDeniedError,
    "SignatureDoesNotMatch": errors.AccessDeniedError,
    "UnauthorizedOperation": errors.AccessDeniedError,
    "UnrecognizedClientException": errors.AccessDeniedError,
    "LimitExceededException": errors.ThrottledError,
    "RequestExpired": errors.AccessDeniedError,
    "RequestTimeTooSkewed": errors.AccessDeniedError,
    "PriorRequestNotComplete": errors.ThrottledError,
    "Throttling": errors.ThrottledError,
    "ThrottlingException": errors.ThrottledError,
    "TooManyRequestsException": errors.ThrottledError,
    "NoSuchHostedZone": errors.NotFoundError,
    "NotFoundException": errors.NotFoundError,
    "ResourceNotFoundException": errors.NotFoundError,
    "ConflictException": errors.ConflictError,
    "BadRequestException": errors.InvalidRequestError,
    "ValidationException": errors.InvalidRequestError,
    "GoneException": errors.ConnectionGoneError,
    "PayloadTooLargeException": errors.PayloadTooLargeError,
}
_BY_STATUS: dict[int, type[errors.AWSError]] = {
    400: errors.InvalidRequestError,
    401: errors.AccessDeniedError,
    403: errors.AccessDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    410: errors.ConnectionGoneError,
    413: errors.PayloadTooLargeError,
    429: errors.ThrottledError,
}
# The credentials are good and their policy is not; the other refusals are about the credentials themselves.
_NOT_ALLOWED = frozenset({"403", "AccessDenied", "AccessDeniedException", "ForbiddenException"})
_CLOCK = "Check this machine's clock."
_EXPIRED = "The credentials in use have expired; renew them."
_SIGNED_WRONGLY = "Check the secret access key in use, and this machine's clock."
_ADVICE_BY_CODE: dict[str, str] = {
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidSignatureException": _SIGNED_WRONGLY,
    "SignatureDoesNotMatch": _SIGNED_WRONGLY,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
}
_ADVICE: dict[type[errors.AWSError], str] = {
    errors.ConflictError: "Another process may be changing the same; run it again.",
    errors.AccessDeniedError: "Check the credentials in use and their IAM policy.",
    errors.ThrottledError: "AWS is limiting the rate of calls; run it again in a minute.",
    errors.ServiceError: "This is AWS's own failure; run it again.",
}


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise our error for whatever boto3 raises inside; `operation` is AWS's name of the call."""
    with no_fork:
        try:
            yield
        except Exception as exc:
            if error := _from_call(exc, operation):
                raise error from exc
            raise


@contextmanager
def setup_errors() -> Iterator[None]:
    """Raise `ConfigurationError` for whatever boto3 raises while a session or a client is made."""
    try:
        yield
    except Exception as exc:
        if error := _from_setup(exc):
            raise error from exc
        raise


def not_api_gateway(operation: str) -> errors.ServiceError:
    """The error for a response that AWS never gives: a proxy's page, or that of another server."""
    return errors.ServiceError(
        f"{operation}: the response did not come from API Gateway. Is ENDPOINT_URL right?",
        operation=operation,
    )


def error_class(code: str, status: int) -> type[errors.AWSError]:
    """The class of our error for a response: by its code, else by its status, else `ServiceError`."""
    known = _BY_CODE.get(code) or _BY_STATUS.get(int(code) if code.isdecimal() else status)
    return known or errors.ServiceError


def _from_call(exc: Exception, operation: str) -> Exception | None:
    with no_fork:
        from botocore import exceptions as boto

    if isinstance(exc, boto.ClientError):
        return _from_answer(exc, operation)
    if isinstance(exc, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return errors.MissingCredentialsError(
            "No AWS credentials were found. Set AWS_IAM_PROFILE in the settings, or give boto3 credentials "
            "by environment, `aws configure` or an instance role."
        )
    if isinstance(exc, boto.NoRegionError):
        return errors.MissingRegionError("No AWS region is configured. Set AWS_GATEWAY_REGION_NAME.")
    if isinstance(exc, boto.ParamValidationError):
        return errors.InvalidRequestError(f"{operation}: {_in_one_line(exc)}", operation=operation)
    if isinstance(exc, boto.EndpointConnectionError):
        return _unreachable(operation, exc, _where_to_look(str(exc.kwargs.get("endpoint_url"))))
    if isinstance(exc, (boto.ConnectionError, boto.HTTPClientError)):
        return _unreachable(operation, exc, "Run it again.")
    if isinstance(exc, boto.BotoCoreError):
        return errors.ServiceError(f"{operation}: {exc}", operation=operation)
    if isinstance(exc, (AttributeError, KeyError, TypeError, ValueError)):
        # botocore's parser fails like this on JSON of another shape than AWS's.
        return not_api_gateway(operation)
    return None


def _from_setup(exc: Exception) -> Exception | None:
    with no_fork:
        from botocore import exceptions as boto

    if isinstance(exc, (boto.InvalidRegionError, boto.UnknownRegionError)):
        told: Mapping[str, object] = exc.kwargs
        return errors.ConfigurationError(
            f"{told.get('region_name')!r} is not an AWS region. Correct AWS_GATEWAY_REGION_NAME in the "
            "settings, or the region of the gateway's row."
        )
    if isinstance(exc, boto.ProfileNotFound):
        return errors.ConfigurationError(
            f"{exc}. Correct AWS_IAM_PROFILE in the settings (or AWS_PROFILE in the environment), "
            "or run `aws configure --profile NAME`."
        )
    if isinstance(exc, (boto.BotoCoreError, OSError, ValueError)):
        return errors.ConfigurationError(
            f"boto3 cannot be set up: {_in_one_line(exc).rstrip('.')}. Correct what it names: a variable "
            "AWS_… of the environment, or a line of AWS's configuration files."
        )
    return None


def _in_one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def _from_answer(exc: ClientError, operation: str) -> errors.AWSError:
    response: dict[str, Any] = {**exc.response}
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code = str(error.get("Code", ""))
    text = error.get("Message") or response.get("message") or response.get("Message") or ""
    status = int(metadata.get("HTTPStatusCode") or 0)
    kind = error_class(code, status)
    message = f"{operation}: AWS answered {code or status}"
    if text:
        message += f", {' '.join(str(text).split()).rstrip('.')}"
    advice = _ADVICE_BY_CODE.get(code) or _ADVICE.get(kind)
    if 300 <= status < 400:
        advice = "AWS never redirects: is ENDPOINT_URL right, or a proxy in the way?"
    if code in _NOT_ALLOWED and (needed := needed_actions(operation)):
        advice = f"The IAM policy of the credentials in use must allow {needed}."
    return kind(
        f"{message}. {advice}" if advice else f"{message}.",
        operation=operation,
        code=code,
        status=status,
        request_id=str(metadata.get("RequestId", "")),
    )


def _where_to_look(url: str) -> str:
    ours = get_settings().endpoint_url
    if ours and url.startswith(ours):
        return "Is it running, and is ENDPOINT_URL right?"
    return "Check the network, and the region that the address names."


def _unreachable(operation: str, exc: Exception, advice: str) -> errors.EndpointUnreachableError:
    detail = str(exc).rstrip(".")
    return errors.EndpointUnreachableError(
        f"{operation}: no response ({detail}). {advice}", operation=operation
    )
