"""The IAM actions that a control plane call needs. The pages and the error messages follow this list.

Control plane actions are HTTP verbs; some calls need more than their own.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_apigatewayv2.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_GET, _POST, _PUT = "apigateway:GET", "apigateway:POST", "apigateway:PUT"
_PATCH, _DELETE = "apigateway:PATCH", "apigateway:DELETE"

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ChangeResourceRecordSets": ("route53:ChangeResourceRecordSets",),
        "CreateApi": (_POST,),
        "CreateApiMapping": (_POST,),
        "CreateDeployment": (_POST,),
        "CreateDomainName": (
            _POST,
            _PUT,
            "apigateway:AddCertificateToDomain",
            "apigateway:UpdateDomainNamePolicy",
        ),
        "CreateIntegration": (_POST,),
        "CreateRoute": (_POST,),
        "CreateRouteResponse": (_POST,),
        "CreateStage": (_POST, _PUT),
        "DeleteAccessLogSettings": (_DELETE,),
        "DeleteApi": (_DELETE,),
        "DeleteApiMapping": (_DELETE,),
        "DeleteDomainName": (_DELETE, "apigateway:RemoveCertificateFromDomain"),
        "DeleteIntegration": (_DELETE,),
        "DeleteRoute": (_DELETE,),
        "DeleteRouteRequestParameter": (_DELETE,),
        "DeleteRouteResponse": (_DELETE,),
        "DeleteRouteSettings": (_DELETE,),
        "DeleteStage": (_DELETE,),
        "DescribeCertificate": ("acm:DescribeCertificate",),
        "GetAccount": (_GET,),
        "GetApi": (_GET,),
        "GetApiMappings": (_GET,),
        "GetApis": (_GET,),
        "GetChange": ("route53:GetChange",),
        "GetDeployment": (_GET,),
        "GetDomainName": (_GET,),
        "GetDomainNames": (_GET,),
        "GetHostedZone": ("route53:GetHostedZone",),
        "GetIntegrations": (_GET,),
        "GetRouteResponses": (_GET,),
        "GetRoutes": (_GET,),
        "GetStages": (_GET,),
        "ListCertificates": ("acm:ListCertificates",),
        "ListResourceRecordSets": ("route53:ListResourceRecordSets",),
        "TagResource": (_POST, _PUT, _PATCH),
        "UntagResource": (_DELETE,),
        "UpdateApi": (_PATCH,),
        "UpdateApiMapping": (_PATCH,),
        "UpdateDomainName": (
            _PATCH,
            "apigateway:AddCertificateToDomain",
            "apigateway:RemoveCertificateFromDomain",
            "apigateway:UpdateDomainNameManagementPolicy",
        ),
        "UpdateIntegration": (_PATCH,),
        "UpdateRoute": (_PATCH,),
        "UpdateStage": (_PATCH,),
    }
)
"""Operation -> actions, for every operation that this package calls."""


def needed_actions(operation: str) -> str:
    """The actions that `operation` needs, as words; empty for one that is not in the list."""
    return " and ".join(ACTIONS.get(operation, ()))
