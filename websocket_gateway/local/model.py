"""botocore's model of `apigatewayv2`, used in the reverse direction: from HTTP request to parameters.

Resources have their wire form (`routeKey`, not `RouteKey`) everywhere in this package, so that requests,
the state file and responses need no translation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.loaders
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from websocket_gateway.local.errors import BadRequestError

Wire = dict[str, Any]

_LENGTH_IN_TEXT = re.compile(r"length between \[(\d+)-(\d+)\]")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the service, its URI as a regular expression."""

    name: str
    method: str
    pattern: re.Pattern[str]
    model: OperationModel

    @property
    def status(self) -> int:
        """The HTTP status of success."""
        return int(self.model.http.get("responseCode", 200))


@cache
def _load_model() -> Wire:
    return dict(botocore.loaders.Loader().load_service_model("apigatewayv2", "service-2"))


@cache
def load_operations() -> tuple[Operation, ...]:
    """Return every operation of `apigatewayv2` that the installed botocore describes."""
    service = ServiceModel(_load_model(), "apigatewayv2")
    return tuple(_load_operation(service.operation_model(name)) for name in service.operation_names)


def _load_operation(model: OperationModel) -> Operation:
    pieces = re.split(r"(\{[^}]+\})", model.http["requestUri"])
    members = _uri_members(model)
    pattern = "".join(
        # An ARN contains slashes. botocore encodes them, other clients might not.
        f"(?P<{members[piece[1:-1]]}>{'.+' if piece == '{resource-arn}' else '[^/]+'})"
        if piece.startswith("{")
        else re.escape(piece)
        for piece in pieces
    )
    return Operation(model.name, model.http["method"], re.compile(pattern), model)


def _uri_members(model: OperationModel) -> dict[str, str]:
    shape = model.input_shape
    if shape is None:
        return {}
    return {
        member.serialization["name"]: name
        for name, member in shape.members.items()
        if member.serialization.get("location") == "uri"
    }


def find_operation(method: str, raw_path: str) -> tuple[Operation, dict[str, str]] | None:
    """Return the operation for a method and a path, and the parameters in the path."""
    for operation in load_operations():
        if operation.method == method and (match := operation.pattern.fullmatch(raw_path)):
            return operation, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def parse_input(operation: Operation, in_path: dict[str, str], query: str, body: Wire) -> tuple[Wire, Wire]:
    """Return (parameters of path and query by member name, validated body in wire form)."""
    shape = operation.model.input_shape
    located: Wire = dict(in_path)
    if shape is None:
        return located, {}
    queried = parse_qs(query, keep_blank_values=True)
    payload: Wire = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "querystring" and wire in queried:
            located[name] = queried[wire] if isinstance(member, ListShape) else queried[wire][-1]
        elif location is None and body.get(wire) is not None:
            payload[wire] = _validated(member, body[wire], wire)
        if name in shape.required_members and name not in located and wire not in payload:
            raise BadRequestError(f"Missing required parameter: {wire}")
    return located, payload


def _validated(shape: Shape, value: object, path: str) -> object:
    if isinstance(shape, StructureShape):
        return _validated_structure(shape, value, path)
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            raise _wrong_type(path, "a list")
        return [_validated(shape.member, item, path) for item in value]
    if isinstance(shape, MapShape):
        if not isinstance(value, dict):
            raise _wrong_type(path, "a map")
        return {key: _validated(shape.value, item, f"{path}.{key}") for key, item in value.items()}
    _validate_scalar(shape, value, path)
    return value


def _validated_structure(shape: StructureShape, value: object, path: str) -> Wire:
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object")
    found: Wire = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if value.get(wire) is not None:
            found[wire] = _validated(member, value[wire], f"{path}.{wire}")
        elif name in shape.required_members:
            raise BadRequestError(f"Missing required parameter: {path}.{wire}")
    return found


def _validate_scalar(shape: Shape, value: object, path: str) -> None:
    if shape.type_name == "boolean":
        if not isinstance(value, bool):
            raise _wrong_type(path, "true or false")
    elif shape.type_name in ("integer", "long", "float", "double"):
        whole = shape.type_name in ("integer", "long")
        if not isinstance(value, int if whole else (int, float)) or isinstance(value, bool):
            raise _wrong_type(path, "a number")
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            raise BadRequestError(f"Invalid value for {path}: must be between {low} and {high}")
    else:
        _validate_string(shape, value, path)


def _validate_string(shape: Shape, value: object, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong_type(path, "a string")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        raise BadRequestError(f"Invalid value for {path}: must be one of {', '.join(allowed)}")
    bounds = _length_bounds(shape.name)
    # With an empty map value PATCH removes a key. The operations check it.
    emptied = value == "" and "." in path
    if bounds and not emptied and not bounds[0] <= len(value) <= bounds[1]:
        raise BadRequestError(
            f"Invalid value for {path}: length must be between {bounds[0]} and {bounds[1]} characters"
        )


@cache
def _length_bounds(shape_name: str) -> tuple[int, int] | None:
    """Return the bounds from the documentation of the shape: the model has most lengths only there."""
    match = _LENGTH_IN_TEXT.search(_load_model()["shapes"][shape_name].get("documentation", ""))
    return (int(match[1]), int(match[2])) if match else None


def _wrong_type(path: str, expected: str) -> BadRequestError:
    return BadRequestError(f"Invalid value for {path}: must be {expected}")


def render_output(operation: Operation, record: Wire) -> Wire:
    """Return the fields of a record that the response of the operation has."""
    shape = operation.model.output_shape
    return _rendered_structure(shape, record) if isinstance(shape, StructureShape) else {}


def _rendered_structure(shape: StructureShape, record: Wire) -> Wire:
    found: Wire = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if record.get(wire) is not None:
            found[wire] = _rendered(member, record[wire])
    return found


def _rendered(shape: Shape, value: object) -> object:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return _rendered_structure(shape, value)
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_rendered(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _rendered(shape.value, item) for key, item in value.items()}
    return value
