"""`delete_gateway NAME --forget`: the row of another installation goes, and AWS is not called."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.factories import ApiGatewayFactory
from tests.security.staging import Staging
from tests.support.commands import Ended, run
from websocket_gateway.models import ApiGateway, WebSocketSession

pytestmark = pytest.mark.django_db(transaction=True)


class TestForget:
    """`delete_gateway NAME --forget`."""

    def forget(self, *options: str) -> Ended:
        return run("delete_gateway", "chat", "--forget", *options)

    def test_it_removes_row_and_sessions_and_calls_nothing(self, staging: Staging) -> None:
        planned = self.forget("--dry-run", "--format", "json")
        assert ApiGateway.objects.filter(api_name="chat").exists()

        ended = self.forget("--noinput")

        report = json.loads(planned.stdout)
        assert [(step["action"], step["kind"]) for step in report["steps"]] == [("delete", "record")]
        assert report["dry_run"]
        assert ended.status == 0
        assert ended.stdout.startswith("- Deleted record chat")
        assert f"API {staging.foreign.api_id} belongs to another installation and stays" in ended.stderr
        assert [row.api_name for row in ApiGateway.objects.all()] == ["chat-staging"]
        assert WebSocketSession.objects.count() == 1
        assert staging.proxy.calls == []
        staging.assert_production_is_untouched()
        assert self.forget("--noinput").status == 0

    def test_it_asks_first(self, staging: Staging) -> None:
        ended = self.forget()

        assert ended.status == 1
        assert "Forget gateway chat? Its row, routes and sessions are deleted here." in ended.stderr
        assert f"API {staging.foreign.api_id} stays in AWS." in ended.stderr
        assert ApiGateway.objects.filter(api_name="chat").exists()

    def test_it_needs_neither_region_nor_credentials(self, settings: Any, monkeypatch: Any) -> None:
        settings.WEBSOCKET_GATEWAY = {}
        settings.AWS_GATEWAY_REGION_NAME = ""
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        ApiGatewayFactory.create(api_name="chat", region_name="", api_endpoint="", installation="else" * 4)

        assert self.forget("--no-input").status == 0
        assert not ApiGateway.objects.exists()

    def test_a_gateway_of_our_own_is_forgotten_with_a_note(self, staging: Staging) -> None:
        ended = run("delete_gateway", "chat-staging", "--forget", "--no-input")

        assert ended.status == 0
        assert f"--adopt {staging.own.api_id} adopts it again" in ended.stderr
        assert staging.proxy.calls == []

    def test_it_excludes_keeping_the_row(self) -> None:
        assert "not allowed with argument" in self.forget("--keep-record").stderr
