"""Old gateways, routes and channel rules as rows of ours, not saved yet; and why some cannot be imported."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Model

from websocket_gateway.legacy import tables
from websocket_gateway.legacy.rules import express
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute, ChannelPermission


class RecordPlanning:
    """One reading of the old tables against ours. What exists here is never touched."""

    def __init__(self) -> None:
        self.gateways: list[ApiGateway] = []
        self.routes: list[ApiGatewayAdditionalRoute] = []
        self.permissions: list[ChannelPermission] = []
        self.known: dict[int, ApiGateway] = {}
        """Old primary key -> the gateway here, saved or new."""
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._read_gateways()
        self._read_routes()
        self._read_permissions()

    def _read_gateways(self) -> None:
        by_api_id = {row.api_id: row for row in ApiGateway.objects.exclude(api_id="")}
        by_name = {row.api_name: row for row in ApiGateway.objects.all()}
        for old in tables.read_gateways():
            name, api_id = old.api_name, old.api_id
            known = by_api_id.get(api_id) or by_name.get(name)
            if known is not None and known.api_id != api_id:
                self.problems.append(
                    f"gateway {name!r} has API {api_id or '(none)'} there and {known.api_id or '(none)'} "
                    "here: rename one of the two"
                )
                continue
            if known is None:
                known = self._new_gateway(old)
                by_name[name] = known
                if api_id:
                    by_api_id[api_id] = known
            self.known[old.id] = known

    def _new_gateway(self, old: tables.LegacyGateway) -> ApiGateway:
        values = dict(old.values)
        if not values.get("stage_name"):
            values.pop("stage_name", None)  # ours has a default
        gateway = ApiGateway(**values, two_way=False)
        gateway.api_created = bool(gateway.api_created and gateway.api_id)
        gateway.deployed_stage = gateway.stage_name if gateway.api_created else ""
        gateway.deployed_address = gateway.domain_address
        without = set() if gateway.target_base_endpoint else {"target_base_endpoint"}
        self._validate(gateway, f"gateway {gateway.api_name!r}", exclude=without)
        if not gateway.target_base_endpoint:
            self.notes.append(
                f"gateway {gateway.api_name!r} has no target URL; give it one with create_gateway --target"
            )
        elif gateway.api_id and not gateway.api_endpoint:
            self.notes.append(
                f"gateway {gateway.api_name!r} has no API endpoint in the old tables; nothing can be sent "
                "through it before create_gateway has run, which looks it up"
            )
        self.gateways.append(gateway)
        return gateway

    def _read_routes(self) -> None:
        pairs = ApiGatewayAdditionalRoute.objects.values_list("api_gateway_id", "route_key")
        taken = set(pairs)
        for old in tables.read_routes():
            gateway = self._gateway_of(old)
            if gateway is None or not self._is_new_route(gateway, old, taken):
                continue
            route = ApiGatewayAdditionalRoute(
                api_gateway=gateway,
                name=old.name,
                route_key=old.route_key,
                integration_url=old.integration_url,
                two_way=False,
                deployed=bool(old.deployed and gateway.api_id),
            )
            self._validate(route, f"route {route.route_key!r} of gateway {gateway.api_name!r}")
            self.routes.append(route)

    def _gateway_of(self, old: tables.LegacyRoute) -> ApiGateway | None:
        return None if old.api_gateway_id is None else self.known.get(old.api_gateway_id)

    def _is_new_route(
        self, gateway: ApiGateway, old: tables.LegacyRoute, taken: set[tuple[int, str]]
    ) -> bool:
        if gateway._state.adding:
            return True
        if gateway.imported_on is None or (gateway.pk, old.route_key) in taken:
            return False
        # One that was there when the gateway came over and is gone now was deleted here.
        return bool(old.created_on and old.created_on > gateway.imported_on)

    def _read_permissions(self) -> None:
        known = set(ChannelPermission.objects.values_list("channel_name", flat=True))
        for old in tables.read_permissions():
            name = old.channel_name
            expression = express(old.access, old.rules)
            for spelling in sorted(self._spellings(name) - known):
                if expression is None or "*" in spelling:
                    self.problems.append(_inexpressible(old))
                    break
                permission = ChannelPermission(
                    channel_name=spelling,
                    audience=expression.audience,
                    any_of=list(expression.any_of),
                    all_of=list(expression.all_of),
                    alternatives=[list(names) for names in expression.alternatives],
                    description=old.description,
                )
                self._validate(permission, f"the rule of channel {spelling!r}")
                self.permissions.append(permission)
        if self.permissions and tables.ignores_case():
            self.notes.append(
                "to this database 'Office' and 'office' were one channel, and here they are two; every "
                "spelling in the old tables has the rule, and ALLOW_UNLISTED_CHANNELS = False closes the rest"
            )

    def _spellings(self, name: str) -> set[str]:
        """How a restricted channel is written; only a database that ignores case knows several ways."""
        if not tables.ignores_case():
            return {name}
        defaults = {row.default_channel_name for row in self.known.values()}
        same = {text for text in defaults if text.casefold() == name.casefold()}
        return {name} | same | tables.read_spellings(name)

    def _validate(self, row: Model, what: str, *, exclude: set[str] | None = None) -> None:
        try:
            row.full_clean(
                exclude={"api_gateway", *(exclude or ())}, validate_unique=False, validate_constraints=False
            )
        except ValidationError as exc:
            for field, messages in exc.message_dict.items():
                self.problems.append(f"{what}, {field}: {' '.join(messages)}")


def _inexpressible(old: tables.LegacyPermission) -> str:
    why = "would be a prefix here" if "*" in old.channel_name else f"has the access {old.access!r}"
    return (
        f"the rule of channel {old.channel_name!r} {why}, which one ChannelPermission cannot say. "
        f"Add one for {old.channel_name!r} here by hand, which is left as it is, or decide in "
        "can_join_channel(); then run this again"
    )
