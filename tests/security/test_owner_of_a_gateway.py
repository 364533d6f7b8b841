"""To which installation a row belongs: by its fingerprint, by AWS's tags, and after a migration."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.factories import ApiGatewayFactory
from tests.security.staging import MESSAGE, Staging, assert_refused
from tests.support.commands import run
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import installation_fingerprint
from websocket_gateway.provisioning import plan_provisioning
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)


class TestWhoseRowItIs:
    """The fingerprint in the row."""

    def test_a_fallback_is_the_same_installation(self, staging: Staging, settings: Any) -> None:
        settings.SECRET_KEY_FALLBACKS = ["the key of production"]

        assert broadcast(MESSAGE, everyone=True).delivered == 3

    def test_clusters_that_share_a_name_are_one_installation(self, staging: Staging, settings: Any) -> None:
        shared = {**settings.WEBSOCKET_GATEWAY, "INSTALLATION_NAME": "both clusters"}
        settings.WEBSOCKET_GATEWAY = shared
        assert_refused(broadcast(MESSAGE, everyone=True), delivered=1)  # production has not applied it yet
        settings.SECRET_KEY = "the key of production"
        assert run("sync_routes", "chat").status == 0
        settings.SECRET_KEY = "the key of staging"

        assert broadcast(MESSAGE, everyone=True).delivered == 3
        settings.WEBSOCKET_GATEWAY = {**shared, "INSTALLATION_NAME": "another"}
        assert broadcast(MESSAGE, everyone=True).failed == 2

    def test_an_adoption_makes_it_ours(self, staging: Staging) -> None:
        assert run("create_gateway", "chat", "--adopt", staging.foreign.api_id).status == 0

        assert broadcast(MESSAGE, everyone=True).delivered == 3

    def test_a_row_that_was_never_applied_belongs_to_nobody_yet(self, staging: Staging) -> None:
        planned = ApiGatewayFactory.create(planned=True)

        assert planned.installation == ""
        assert not planned.is_foreign
        assert staging.own.installation == installation_fingerprint()

    def test_an_api_that_is_gone_is_created_again_as_ours(self, staging: Staging) -> None:
        staging.aws.delete_api(ApiId=staging.foreign.api_id)

        assert run("create_gateway", "chat", "--recreate", "--no-input").status == 0

        assert not ApiGateway.objects.get(api_name="chat").is_foreign

    def test_aws_corrects_a_row_that_was_copied_before_it_was_marked(self, staging: Staging) -> None:
        ApiGateway.objects.update(installation=installation_fingerprint())  # as staging's migration marks it

        ended = run("sync_routes", "chat")

        assert ended.status == 1
        assert ApiGateway.objects.get(api_name="chat").is_foreign
        assert_refused(broadcast(MESSAGE, everyone=True), delivered=1)

    def test_aws_corrects_a_row_that_was_marked_with_another_key(self, staging: Staging) -> None:
        ApiGateway.objects.update(installation="0123456789abcdef")  # a migration without the right SECRET_KEY
        assert run("broadcast", "lobby", "{}").status == 1

        assert run("sync_routes", "chat-staging").status == 0

        assert not ApiGateway.objects.get(api_name="chat-staging").is_foreign

    def test_an_api_whose_tags_were_removed_is_still_production_s(self, staging: Staging) -> None:
        arn = f"arn:aws:apigateway:eu-west-1::/apis/{staging.foreign.api_id}"
        staging.aws.untag_resource(
            ResourceArn=arn, TagKeys=["websocket_gateway:uuid", "websocket_gateway:installation"]
        )
        assert plan_provisioning(staging.own).plan.steps == ()

        assert "belongs to another installation" in run("sync_routes", "chat").stderr

    def test_the_row_kept_after_a_deletion_belongs_to_nobody(self, staging: Staging) -> None:
        assert run("delete_gateway", "chat-staging", "--keep-record", "--no-input").status == 0

        assert ApiGateway.objects.get(api_name="chat-staging").installation == ""


def test_the_migration_marks_the_gateways_that_are_in_aws() -> None:
    before = "0001_initial"
    executor = MigrationExecutor(connection)
    try:
        executor.migrate([("websocket_gateway", before)])
        rows = executor.loader.project_state([("websocket_gateway", before)]).apps.get_model(
            "websocket_gateway", "ApiGateway"
        )
        rows.objects.create(api_name="applied", api_id="a1", target_base_endpoint="https://x.example.com/")
        rows.objects.create(api_name="planned", target_base_endpoint="https://x.example.com/")
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())

    marks = dict(ApiGateway.objects.values_list("api_name", "installation"))
    assert marks == {"applied": installation_fingerprint(), "planned": ""}
