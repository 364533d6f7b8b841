"""The control plane: executes HTTP requests, which botocore's model maps to operations."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timezone

from websocket_gateway.local.errors import (
    ApiError,
    BadRequestError,
    ForbiddenError,
    InternalError,
    NotFoundError,
)
from websocket_gateway.local.http import HttpRequest, HttpResponse, error_response, json_response
from websocket_gateway.local.model import Operation, Wire, find_operation, parse_input, render_output
from websocket_gateway.local.operations import OPERATIONS
from websocket_gateway.local.options import Call, Faults, Phase, is_loopback
from websocket_gateway.local.routing import host_name
from websocket_gateway.local.signing import signature_error
from websocket_gateway.local.store import Store

logger = logging.getLogger("websocket_gateway.local")
ACCOUNT_PATH = "/account"
"""Of the older API, which alone knows the account's settings."""
_LOG_ROLE = "arn:aws:iam::000000000000:role/api-gateway-logs"


class UnsignedError(ForbiddenError):
    """The request has no signature, in the control plane's form."""

    code = "MissingAuthenticationTokenException"


class InvalidSignatureError(ForbiddenError):
    """The signature does not match the secret."""

    code = "InvalidSignatureException"


class ControlPlane:
    """Serves `apigatewayv2` from a store."""

    def __init__(
        self,
        store: Store,
        *,
        faults: Faults,
        endpoint: Callable[[str], str],
        save: Callable[[], None] = lambda: None,
        verify_secret: str | None = None,
    ) -> None:
        self._store = store
        self._faults = faults
        self._endpoint = endpoint
        self._save = save
        self._verify_secret = verify_secret

    def respond(self, request: HttpRequest) -> tuple[HttpResponse, Callable[[], None]]:
        """Execute one call. Return the response, and a callback to call after the response has been sent."""
        try:
            self._check_caller(request)
            if (request.method, request.raw_path) == ("GET", ACCOUNT_PATH):
                return json_response(200, self._account()), lambda: None
            found = find_operation(request.method, request.raw_path)
            if found is None or found[0].name not in OPERATIONS:
                raise NotFoundError("Unknown operation, or one that WebSocket APIs do not use")
            operation, in_path = found
        except ApiError as error:
            logger.info("%s %s %d", request.method, request.raw_path, error.status)
            return error_response(error), lambda: None
        response, parameters = self._run(operation, in_path, request)
        logger.info("%s %d", operation.name, response.status)
        return response, lambda: self._report(operation, parameters, "replied")

    def _run(
        self, operation: Operation, in_path: dict[str, str], request: HttpRequest
    ) -> tuple[HttpResponse, Wire]:
        parameters: Wire = dict(in_path)
        try:
            located, body = parse_input(operation, in_path, request.query, _read_json(request.body))
            parameters = {**located, **body}
            self._report(operation, parameters, "received")
            self._inject_error(operation)
            self._check_logs(body)
            record = OPERATIONS[operation.name](self._store, located, body)
            if operation.method != "GET":
                self._save()
            response = self._success(operation, record)
            self._report(operation, parameters, "effected")
        except ApiError as error:
            return error_response(error), parameters
        except OSError as exc:
            logger.error("The state file could not be written: %s", exc)
            return error_response(InternalError(f"The state file could not be written: {exc}")), parameters
        return response, parameters

    def _check_caller(self, request: HttpRequest) -> None:
        if not is_loopback(host_name(request.header("host"))):
            raise ForbiddenError("The control plane accepts only a loopback Host")
        problem = signature_error(request, self._verify_secret, now=lambda: datetime.now(timezone.utc))
        if problem is not None:
            missing = problem.startswith("Missing")
            raise UnsignedError(problem) if missing else InvalidSignatureError(problem)

    def _account(self) -> Wire:
        """GetAccount, the one operation of the older API that tells something about WebSocket APIs."""
        return {} if self._faults.no_log_role else {"cloudwatchRoleArn": _LOG_ROLE}

    def _check_logs(self, body: Wire) -> None:
        settings = body.get("defaultRouteSettings") or {}
        logs = settings.get("loggingLevel", "OFF") != "OFF" or body.get("accessLogSettings")
        if logs and self._faults.no_log_role:
            raise BadRequestError(
                "CloudWatch Logs role ARN must be set in account settings to enable logging"
            )

    def _success(self, operation: Operation, record: Wire) -> HttpResponse:
        if operation.status == 204:
            return json_response(204, None)
        rendered = self._with_endpoint(record)
        if "items" in record:
            rendered = {**record, "items": [self._with_endpoint(item) for item in record["items"]]}
        return json_response(operation.status, render_output(operation, rendered))

    def _with_endpoint(self, record: Wire) -> Wire:
        """Add the address, which is not stored because the port can change with a restart."""
        if "protocolType" not in record:
            return record
        return {**record, "apiEndpoint": self._endpoint(record["apiId"])}

    def _inject_error(self, operation: Operation) -> None:
        errors = self._faults.control_errors
        fault = errors.get(operation.name) or errors.get("*")
        if fault is not None:
            error = ApiError(f"Fault injected into {operation.name}")
            error.status, error.code = fault
            raise error

    def _report(self, operation: Operation, parameters: Wire, phase: Phase) -> None:
        if self._faults.on_call is not None:
            self._faults.on_call(Call(operation=operation.name, parameters=parameters, phase=phase))


def _read_json(body: bytes) -> Wire:
    if not body:
        return {}
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise BadRequestError("The request body is not a JSON object")
    return parsed
