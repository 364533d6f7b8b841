"""Changes that somebody makes in AWS behind our back."""

from __future__ import annotations

from typing import Any


def add_route(aws: Any, api_id: str, key: str, uri: str, **fields: Any) -> None:
    integration = aws.create_integration(
        **{
            "ApiId": api_id,
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "POST",
            "IntegrationUri": uri,
            **fields,
        }
    )
    aws.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")


def change_default(aws: Any, api_id: str, **changes: Any) -> None:
    items = aws.get_integrations(ApiId=api_id)["Items"]
    found = next(item for item in items if item["IntegrationUri"].endswith("/default"))
    aws.update_integration(ApiId=api_id, IntegrationId=found["IntegrationId"], **changes)
