"""Translates what boto3 raises into our errors: one table, closed by default.

Classified by error code, else by HTTP status; an answer that stands in neither is a
`ServiceError`, never "gone". AWS sometimes leaves the code out, then botocore reports the
status as the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from websocket_gateway import exceptions as errors
from websocket_gateway.aws.permissions import needed_actions
from websocket_gateway.conf import get_settings

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
    errors.ConflictError: "Somebody else may be changing the same; run it again.",
    errors.AccessDeniedError: "Check the credentials in use and their IAM policy.",
    errors.ThrottledError: "AWS is limiting the rate of calls; run it again in a minute.",
    errors.ServiceError: "This is AWS's own failure; run it again.",
}


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise our error for whatever boto3 raises inside; `operation` is AWS's name of the call."""
    try:
        yield
    except ClientError as exc:
        raise _from_answer(exc, operation) from exc
    except (NoCredentialsError, PartialCredentialsError) as exc:
        raise errors.MissingCredentialsError(
            "No AWS credentials were found. Set AWS_IAM_PROFILE in the settings, or give boto3 credentials "
            "by environment, `aws configure` or an instance role."
        ) from exc
    except NoRegionError as exc:
        raise errors.MissingRegionError("No AWS region is configured. Set AWS_GATEWAY_REGION_NAME.") from exc
    except ParamValidationError as exc:
        detail = " ".join(str(exc).split())
        raise errors.InvalidRequestError(f"{operation}: {detail}", operation=operation) from exc
    except EndpointConnectionError as exc:
        raise _unreachable(operation, exc, _where_to_look(str(exc.kwargs.get("endpoint_url")))) from exc
    except (ConnectionError, HTTPClientError) as exc:
        raise _unreachable(operation, exc, "Run it again.") from exc
    except BotoCoreError as exc:
        raise errors.ServiceError(f"{operation}: {exc}", operation=operation) from exc
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        # botocore's parser stumbles like this over JSON of another shape than AWS's.
        raise errors.ServiceError(
            f"{operation}: the answer is none of API Gateway's. Is ENDPOINT_URL right?", operation=operation
        ) from exc


def error_class(code: str, status: int) -> type[errors.AWSError]:
    """Which of our errors an answer is: by its code, else by its status, else `ServiceError`."""
    known = _BY_CODE.get(code) or _BY_STATUS.get(int(code) if code.isdecimal() else status)
    return known or errors.ServiceError


def _from_answer(exc: ClientError, operation: str) -> errors.AWSError:
    answer: Any = exc.response
    code = str(answer.get("Error", {}).get("Code", ""))
    text = answer.get("Error", {}).get("Message") or answer.get("message") or answer.get("Message") or ""
    metadata = answer.get("ResponseMetadata", {})
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
        f"{operation}: no answer ({detail}). {advice}", operation=operation
    )
