"""Whatever a client sends, labels keep to their closed sets, and the number of series stays the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from tests.factories import ApiGatewayFactory
from tests.metrics.conftest import Recorded, RecordedOtel
from tests.metrics.figures import Counts
from websocket_gateway import connections, metrics, security_log
from websocket_gateway.aws.engines.base import Status
from websocket_gateway.aws.engines.outcomes import Kind as PostKind
from websocket_gateway.metrics.catalogue import METRICS, OTHER, PREFIX, PROCESS, allowed
from websocket_gateway.models import WebSocketSession
from websocket_gateway.testing import connect_request, message_request
from websocket_gateway.testing.events import DEFAULT_ORIGIN
from websocket_gateway.views import WebSocketView
from websocket_gateway.views.responses import ErrorCode

ATTACKS = ["x" * 300, "a\nb", "ok\x00", "websocket_gateway", "‮evil", '"}{', "__class__", "Z" * 9]


class TargetView(WebSocketView):
    USE_WS_TOKEN = False
    RATE_LIMIT_ENABLED = False

    def say(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def answer_oddly(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(self.body["text"], status=418)


def values_of(counts: Counts) -> set[str]:
    return {label.partition("=")[2] for key in counts for label in key[1:]}


@pytest.fixture(autouse=True)
def _origin(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [DEFAULT_ORIGIN]}


@pytest.mark.django_db
def test_no_value_of_a_client_becomes_a_label(recorded: Recorded) -> None:
    gateway, view = ApiGatewayFactory.create(), TargetView.as_view()
    assert view(connect_request(gateway, connection_id="me="), route="connect").status_code == 200
    names = ("eventType", "routeKey", "sourceIp", "connectionId", "User-Agent", "X-Amzn-Trace-Id", "Origin")

    for attack, name in itertools.product(ATTACKS, names):
        shown = {name: attack.encode("ascii", "replace").decode().replace("\n", " ").replace("\x00", " ")}
        view(connect_request(gateway, headers=shown), route="connect")
        view(message_request(gateway, "me=", {"handler": attack}, headers=shown), route="default")
        view(message_request(gateway, attack.replace("\n", ""), {"handler": "say"}), route=attack)
    for attack in ATTACKS:
        for frame in ({"handler": attack}, {"_ws": {"type": attack}}, {"handler": "say", attack: attack}):
            view(message_request(gateway, "me=", frame), route="default")
        view(message_request(gateway, "me=", {"handler": "answer_oddly", "text": attack}), route="default")
        subscribing = {"_ws": {"type": "subscribe", "channel": attack}}
        view(message_request(gateway, "me=", subscribing), route="default")

    closed = {value for metric in PROCESS for label in metric.labels.values() for value in label.values}
    closed |= {code.code for code in ErrorCode} | set(security_log.EVENTS) | {"say", "answer_oddly", OTHER}
    seen = values_of(recorded.counts())
    assert "say" in seen
    assert seen <= closed


@pytest.mark.django_db(transaction=True)
def test_a_reason_of_the_project_is_other(recorded: Recorded) -> None:
    gateway, view = ApiGatewayFactory.create(), TargetView.as_view()
    for number in range(3):
        view(connect_request(gateway, connection_id=f"me{number}="), route="connect")
        session = WebSocketSession.objects.filter(connection_id=f"me{number}=")
        connections.revoke(session, reason=f"user {number} was rude")

    assert recorded.counts()["connection.ends", "reason=other"] == 3


def test_a_value_outside_of_its_set_is_other(recorded: Recorded) -> None:
    metrics.count("send.posts", outcome="made up")
    metrics.record("handler.duration", 0.1, handler="no method", error_type=None)

    assert recorded.counts() == {("send.posts", "outcome=other"): 1, ("handler.duration", "handler=other"): 1}


def test_a_label_that_the_catalogue_does_not_have_is_a_mistake_of_the_code() -> None:
    with pytest.raises(KeyError):
        METRICS[f"{PREFIX}.nothing"]
    assert all(metric.name.startswith(f"{PREFIX}.") for metric in METRICS.values())


def test_the_sets_of_the_catalogue_are_those_of_their_owners() -> None:
    labels = {(metric.name, name): label for metric in PROCESS for name, label in metric.labels.items()}

    assert labels[f"{PREFIX}.send.posts", "outcome"].values == {kind.value for kind in PostKind}
    assert labels[f"{PREFIX}.send.recipients", "outcome"].values == {status.value for status in Status}
    assert labels[f"{PREFIX}.security.records", "kind"].values == set(security_log.EVENTS.values())
    code = labels[f"{PREFIX}.event.duration", "code"]
    assert [item.code for item in ErrorCode if allowed(code, item.code) != item.code] == []
    ends = labels[f"{PREFIX}.connection.ends", "reason"].values
    assert {"client", "gone", "refused"} | set(security_log._REVOCATIONS) <= ends | {"other"}


def test_the_names_of_users_channels_and_connections_are_no_labels() -> None:
    names = {label.name for metric in METRICS.values() for label in metric.labels.values()}

    assert names == {
        *("event", "code", "handler", "error.type", "kind", "rule", "outcome", "mode", "reason", "result"),
        *("action", "gateway", "stage"),
    }


@pytest.mark.django_db
def test_a_span_belongs_to_the_trace_of_api_gateway(otel: RecordedOtel) -> None:
    gateway, view = ApiGatewayFactory.create(), TargetView.as_view()
    view(connect_request(gateway, connection_id="me="), route="connect")
    root, parent = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
    header = {"X-Amzn-Trace-Id": f"Root={root};Parent={parent};Sampled=1"}
    view(message_request(gateway, "me=", {"handler": "say"}, headers=header), route="default")

    handler, event = otel.spans()[-2:]

    assert (handler.name, event.name) == (f"{PREFIX}.handler", f"{PREFIX}.event")
    assert event.context is not None
    assert event.parent is not None
    assert f"{event.context.trace_id:032x}" == root[2:].replace("-", "")
    assert f"{event.parent.span_id:016x}" == parent
    assert handler.parent is not None
    assert handler.parent.span_id == event.context.span_id
    assert (event.attributes or {})[f"{PREFIX}.aws.trace_id"] == root
    assert (handler.attributes or {})[f"{PREFIX}.handler"] == "say"


@pytest.mark.django_db
def test_a_trace_header_that_aws_would_not_write_is_ignored(otel: RecordedOtel) -> None:
    gateway, view = ApiGatewayFactory.create(), TargetView.as_view()
    view(connect_request(gateway, connection_id="me="), route="connect")
    headers = (
        *("Root=1-5759e988-bd862e3fe1be46a99427279", "Root=<script>;Parent=53995c3f42cd8ad8", "x" * 5_000),
        *("Root=1-5759e988-BD862E3FE1BE46A994272793", ";;;=;", "Root=1-00000000-" + "0" * 24 + ";Parent=0"),
    )
    for header in headers:
        message = message_request(gateway, "me=", {"handler": "say"}, headers={"X-Amzn-Trace-Id": header})
        assert view(message, route="default").status_code == 200

    spans = [span for span in otel.spans() if span.name == f"{PREFIX}.event"]
    assert len(spans) == 1 + len(headers)
    assert all(span.parent is None for span in spans)
    assert {str((span.attributes or {}).get(f"{PREFIX}.aws.trace_id", "")) for span in spans} <= {
        "",
        "1-00000000-" + "0" * 24,
    }


@pytest.mark.django_db
def test_an_event_that_is_not_proven_has_no_span(otel: RecordedOtel) -> None:
    gateway, view = ApiGatewayFactory.create(), TargetView.as_view()
    forged = connect_request(gateway, headers={"wsOriginSecret": "x" * 43})

    assert view(forged, route="connect").status_code == 403
    assert otel.spans() == []
