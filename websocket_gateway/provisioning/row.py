"""The row to provision: found or built, with the values that were asked for, and what is to be saved."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from websocket_gateway.exceptions import ConfigurationError, GatewayMissingError, GatewayNotFoundError
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.plan import Action, Change, Kind, Step


def find_gateway(name: str | None) -> ApiGateway:
    """The row called `name`; without a name, the only one there is.

    Raises `GatewayNotFoundError` naming the rows that exist.
    """
    if name is not None:
        found = ApiGateway.objects.filter(api_name=name).first()
        if found is None:
            raise GatewayNotFoundError(f"There is no gateway {name!r}. {_known_gateways()}")
        return found
    rows = list(ApiGateway.objects.all()[:2])
    if len(rows) != 1:
        raise GatewayNotFoundError(f"Which gateway? Give its NAME. {_known_gateways()}")
    return rows[0]


def find_provisioned_gateways(names: Sequence[str]) -> list[ApiGateway]:
    """The rows of these names, once each; without names, every row that has an API.

    Raises `GatewayNotFoundError` for a name that no row has, `GatewayMissingError` for a row without an API.
    """
    if not names:
        return list(ApiGateway.objects.exclude(api_id=""))
    found = [find_gateway(name) for name in dict.fromkeys(names)]
    for gateway in found:
        if not gateway.api_id:
            raise GatewayMissingError(
                f"Gateway {gateway.api_name!r} does not exist in AWS yet. "
                f"Run `manage.py create_gateway {shlex.quote(gateway.api_name)}`."
            )
    return found


def _known_gateways() -> str:
    names = list(ApiGateway.objects.values_list("api_name", flat=True)[:20])
    return f"There is: {', '.join(map(repr, names))}." if names else "There is none yet."


def prepare_gateway(name: str | None, values: Mapping[str, Any]) -> tuple[ApiGateway, tuple[Step, ...]]:
    """The row to provision with `values` set on it, unsaved, and the step that will save it.

    Without a row of that name one is built from `values`. Raises `GatewayNotFoundError` if there is
    neither a row nor enough to build one, `ConfigurationError` if a value is invalid.
    """
    try:
        gateway = find_gateway(name)
    except GatewayNotFoundError as exc:
        if name is None or not values.get("target_base_endpoint"):
            advice = "To create one, give a NAME and --target https://www.example.com/ws/"
            raise GatewayNotFoundError(f"{exc} {advice}") from exc
        gateway = ApiGateway(api_name=name)
    return gateway, set_values(gateway, values)


def set_values(gateway: ApiGateway, values: Mapping[str, Any]) -> tuple[Step, ...]:
    """Set `values` on the row, unsaved; the step that will save them, if any of them is new.

    Raises `ConfigurationError` if a value is invalid.
    """
    before = {field: getattr(gateway, field) for field in values}
    for field, value in values.items():
        setattr(gateway, field, value)
    if before.get("domain_name", gateway.domain_name) != gateway.domain_name:
        gateway.custom_domain_created = False  # clients keep the address that works until the new one does
    _add_slash(gateway)
    _validate(gateway)
    return _record_steps(gateway, before)


def _add_slash(gateway: ApiGateway) -> None:
    if not gateway.target_base_endpoint.endswith("/"):
        gateway.target_base_endpoint += "/"


def _validate(gateway: ApiGateway) -> None:
    try:
        gateway.full_clean(validate_unique=False)
    except ValidationError as exc:
        problems = "; ".join(f"{field}: {' '.join(messages)}" for field, messages in exc.message_dict.items())
        raise ConfigurationError(f"Gateway {gateway.api_name!r} is not valid. {problems}") from exc


def _record_steps(gateway: ApiGateway, before: Mapping[str, Any]) -> tuple[Step, ...]:
    adding = gateway._state.adding
    changes = tuple(
        Change(attribute=field, before=None if adding else old, after=getattr(gateway, field))
        for field, old in before.items()
        if adding or old != getattr(gateway, field)
    )
    if not adding and not changes:
        return ()
    return (
        Step(
            action=Action.CREATE if adding else Action.UPDATE,
            kind=Kind.RECORD,
            name=gateway.api_name,
            reason="missing in the database" if adding else "options were given",
            changes=changes,
        ),
    )
