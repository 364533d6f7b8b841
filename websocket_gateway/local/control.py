"""The control plane: an HTTP request in, an answer out. Which operation it is, botocore's model says."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timezone

from websocket_gateway.local.addressing import host_name
from websocket_gateway.local.answers import HttpAnswer, error_answer, json_answer
from websocket_gateway.local.errors import (
    ApiError,
    BadRequestError,
    ForbiddenError,
    InternalError,
    NotFoundError,
)
from websocket_gateway.local.faults import Call, Faults, Phase
from websocket_gateway.local.model import Operation, Wire, find_operation, parse_input, render_output
from websocket_gateway.local.operations import OPERATIONS
from websocket_gateway.local.options import is_loopback
from websocket_gateway.local.signing import HttpRequest, why_unsigned
from websocket_gateway.local.store import Store

logger = logging.getLogger("websocket_gateway.local")


class UnsignedError(ForbiddenError):
    """The control plane's form of a missing or wrong signature."""

    code = "MissingAuthenticationTokenException"


class InvalidSignatureError(ForbiddenError):
    """The signature does not fit the secret."""

    code = "InvalidSignatureException"


class ControlPlane:
    """`apigatewayv2` over a store."""

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

    def answer(self, request: HttpRequest) -> tuple[HttpAnswer, Callable[[], None]]:
        """Carry out one call; the second value is to be called once the answer is out."""
        try:
            self._check_caller(request)
            found = find_operation(request.method, request.raw_path)
            if found is None or found[0].name not in OPERATIONS:
                raise NotFoundError("Unknown operation, or one that no WebSocket API needs")
            operation, in_path = found
        except ApiError as error:
            logger.info("%s %s %d", request.method, request.raw_path, error.status)
            return error_answer(error), lambda: None
        answer, parameters = self._run(operation, in_path, request)
        logger.info("%s %d", operation.name, answer.status)
        return answer, lambda: self._tell(operation, parameters, "replied")

    def _run(
        self, operation: Operation, in_path: dict[str, str], request: HttpRequest
    ) -> tuple[HttpAnswer, Wire]:
        parameters: Wire = dict(in_path)
        try:
            located, body = parse_input(operation, in_path, request.query, _read_json(request.body))
            parameters = {**located, **body}
            self._tell(operation, parameters, "received")
            self._fail_if_told(operation)
            record = OPERATIONS[operation.name](self._store, located, body)
            if operation.method != "GET":
                self._save()
            answer = self._success(operation, record)
            self._tell(operation, parameters, "effected")
        except ApiError as error:
            return error_answer(error), parameters
        except OSError as exc:
            logger.error("The state file could not be written: %s", exc)
            return error_answer(InternalError(f"The state file could not be written: {exc}")), parameters
        return answer, parameters

    def _check_caller(self, request: HttpRequest) -> None:
        if not is_loopback(host_name(request.header("host"))):
            raise ForbiddenError("The control plane is reached by a loopback Host only")
        why = why_unsigned(request, self._verify_secret, now=lambda: datetime.now(timezone.utc))
        if why is not None:
            missing = why.startswith("Missing")
            raise UnsignedError(why) if missing else InvalidSignatureError(why)

    def _success(self, operation: Operation, record: Wire) -> HttpAnswer:
        if operation.status == 204:
            return json_answer(204, None)
        shown = self._with_endpoint(record)
        if "items" in record:
            shown = {**record, "items": [self._with_endpoint(item) for item in record["items"]]}
        return json_answer(operation.status, render_output(operation, shown))

    def _with_endpoint(self, record: Wire) -> Wire:
        """The address is not stored: after a restart the port may be another."""
        if "protocolType" not in record:
            return record
        return {**record, "apiEndpoint": self._endpoint(record["apiId"])}

    def _fail_if_told(self, operation: Operation) -> None:
        errors = self._faults.control_errors
        fault = errors.get(operation.name) or errors.get("*")
        if fault is not None:
            error = ApiError(f"Fault injected into {operation.name}")
            error.status, error.code = fault
            raise error

    def _tell(self, operation: Operation, parameters: Wire, phase: Phase) -> None:
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
        raise BadRequestError("The request body is no JSON object")
    return parsed
