"""Certificates in ACM: only looked up, never created.

https://docs.aws.amazon.com/acm/latest/APIReference/API_DescribeCertificate.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from websocket_gateway.aws.calls import Calls
from websocket_gateway.exceptions import NotFoundError
from websocket_gateway.resources import Certificate

if TYPE_CHECKING:
    from mypy_boto3_acm.type_defs import CertificateDetailTypeDef, DescribeCertificateResponseTypeDef

_KEY_TYPES: Final = (
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
"""Every key type: without them, ListCertificates leaves out all but RSA_1024 and RSA_2048.

https://docs.aws.amazon.com/acm/latest/APIReference/API_Filters.html
"""


class Certificates(Calls):
    """Every call about certificates in one region."""

    def find_certificate(self, arn: str) -> Certificate | None:
        """The certificate of that ARN; None if this account and region have none."""
        try:
            answer: DescribeCertificateResponseTypeDef = self.call("describe_certificate", CertificateArn=arn)
        except NotFoundError:
            return None
        return _read(answer.get("Certificate") or {})

    def issued(self) -> Iterator[str]:
        """ARNs of the certificates that are ISSUED, whatever their key."""
        token: dict[str, str] = {}
        while True:
            answer = self.call(
                "list_certificates",
                CertificateStatuses=["ISSUED"],
                Includes={"keyTypes": list(_KEY_TYPES)},
                **token,
            )
            for item in answer.get("CertificateSummaryList") or ():
                yield str(item["CertificateArn"])
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}


def _read(item: CertificateDetailTypeDef) -> Certificate:
    names = [item.get("DomainName") or "", *(item.get("SubjectAlternativeNames") or ())]
    return Certificate(
        arn=item.get("CertificateArn") or "",
        status=item.get("Status") or "",
        names=tuple(dict.fromkeys(name.lower() for name in names if name)),
        not_after=item.get("NotAfter"),
    )
