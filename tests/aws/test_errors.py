"""The table of errors: what botocore raises on one side, ours on the other."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from django.test import override_settings

from websocket_gateway import exceptions as errors
from websocket_gateway.aws.errors import translated


def answer(code: str, status: int, message: str = "why") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r1"},  # type: ignore[typeddict-item]
        },
        "GetApi",
    )


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("GoneException", 410, errors.ConnectionGoneError),
        ("410", 410, errors.ConnectionGoneError),
        ("ForbiddenException", 403, errors.AccessDeniedError),
        ("AccessDeniedException", 403, errors.AccessDeniedError),
        ("403", 403, errors.AccessDeniedError),
        ("PayloadTooLargeException", 413, errors.PayloadTooLargeError),
        ("413", 413, errors.PayloadTooLargeError),
        ("LimitExceededException", 429, errors.ThrottledError),
        ("TooManyRequestsException", 429, errors.ThrottledError),
        ("429", 429, errors.ThrottledError),
        ("NotFoundException", 404, errors.NotFoundError),
        ("ConflictException", 409, errors.ConflictError),
        ("BadRequestException", 400, errors.InvalidRequestError),
        ("400", 400, errors.InvalidRequestError),
        ("500", 500, errors.ServiceError),
        ("503", 503, errors.ServiceError),
        ("SomethingNew", 418, errors.ServiceError),
        ("", 0, errors.ServiceError),
    ],
)
def test_an_answer_is_classified_by_code_else_by_status_and_closed_by_default(
    code: str, status: int, expected: type[errors.AWSError]
) -> None:
    with pytest.raises(errors.AWSError) as caught, translated("GetApi"):
        raise answer(code, status)

    error = caught.value
    assert type(error) is expected
    assert (error.operation, error.code, error.status, error.request_id) == ("GetApi", code, status, "r1")
    assert "GetApi" in str(error)
    assert "why" in str(error)
    assert isinstance(error.__cause__, ClientError)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (boto.NoCredentialsError(), errors.MissingCredentialsError),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), errors.MissingCredentialsError),
        (boto.NoRegionError(), errors.MissingRegionError),
        (boto.EndpointConnectionError(endpoint_url="http://x"), errors.EndpointUnreachableError),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), errors.EndpointUnreachableError),
        (boto.ReadTimeoutError(endpoint_url="http://x"), errors.EndpointUnreachableError),
        (boto.ConnectionClosedError(endpoint_url="http://x"), errors.EndpointUnreachableError),
        (
            boto.SSLError(endpoint_url="http://x", error=Exception("untrusted")),
            errors.EndpointUnreachableError,
        ),
        (boto.ParamValidationError(report="ApiId is missing"), errors.InvalidRequestError),
        (boto.UnauthorizedSSOTokenError(), errors.ServiceError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_what_boto_raises_by_itself_is_translated_too(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught, translated("GetApi"):
        raise raised

    assert caught.value.__cause__ is raised
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "status", "advice"),
    [
        ("ExpiredTokenException", 403, "The credentials in use have expired; renew them."),
        ("InvalidSignatureException", 403, "Check the secret access key in use, and this machine's clock."),
        ("RequestExpired", 400, "Check this machine's clock."),
        ("ConflictException", 409, "Another process may be changing the same; run it again."),
        ("302", 302, "AWS never redirects: is ENDPOINT_URL right, or a proxy in the way?"),
    ],
)
def test_a_refusal_says_what_to_do_about_this_very_one(code: str, status: int, advice: str) -> None:
    with pytest.raises(errors.AWSError) as caught, translated("GetApi"):
        raise answer(code, status, "line\nbreak")

    assert str(caught.value) == f"GetApi: AWS answered {code}, line break. {advice}"


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("http://127.0.0.1:9000/v2/apis", "is ENDPOINT_URL right?"),
        ("https://acm.eu-centrall-1.amazonaws.com/", "Check the network, and the region"),
    ],
)
@override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": "http://127.0.0.1:9000"})
def test_an_address_that_nobody_answers_at_is_blamed_on_what_chose_it(url: str, advice: str) -> None:
    with pytest.raises(errors.EndpointUnreachableError) as caught, translated("ListCertificates"):
        raise boto.EndpointConnectionError(endpoint_url=url)

    assert advice in str(caught.value)


def test_an_untranslatable_error_is_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), translated("GetApi"):
        raise ZeroDivisionError
