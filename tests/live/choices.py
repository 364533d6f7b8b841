"""What the environment says: where the suite runs, and with what."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

PREFIX = "WEBSOCKET_GATEWAY_LIVE"
TARGETS = ("local", "moto", "ministack", "aws")
HELP = f"""\
Nothing is set, so nothing was tried. Set {PREFIX} to one or several of these, separated by commas:

  local       the local gateway: control plane and data plane (moto's ACM beside it)
  moto        moto's server: control plane, as far as it goes
  ministack   MiniStack: control plane. In an environment of its own, because it wants another botocore:
              python -m venv build/ministack && build/ministack/bin/pip install ministack
              {PREFIX}_MINISTACK is its program (default: build/ministack/bin/ministack)
  aws         a real account. Credentials are boto3's own (AWS_PROFILE, AWS_ACCESS_KEY_ID, a role)

For aws:
  {PREFIX}_REGION       the region; required
  {PREFIX}_LOG_GROUP    ARN of a log group, for logs; the region must have API Gateway's CloudWatch role
  {PREFIX}_DOMAIN       a domain name that nothing uses, for the cases with a custom domain
  {PREFIX}_CERTIFICATE  ARN of a certificate in ACM that covers it; required with the domain
  {PREFIX}_ZONE         id of the public hosted zone that holds it, for the cases with DNS; optional
  {PREFIX}_TARGET       a public URL that leads to 127.0.0.1:{PREFIX}_PORT (default 8765), for the data plane;
                        a tunnel is enough
  {PREFIX}_SLOW=1       also the cases that wait for the idle time-out: 22 minutes

{PREFIX}_REPORT is the folder of the tables (default: build/live). The table is what to send with a report:
it has no account number, no host name and no secret.

Example: AWS_PROFILE=sandbox {PREFIX}=aws {PREFIX}_REGION=eu-west-1 make test-aws"""

_API_DOLLARS_PER_MESSAGE = 1.00 / 1_000_000
_DOLLARS_PER_CONNECTION_MINUTE = 0.25 / 1_000_000


@dataclass(frozen=True)
class Choices:
    """The environment, read."""

    targets: tuple[str, ...]
    region: str = ""
    log_group: str = ""
    domain: str = ""
    certificate: str = ""
    zone: str = ""
    public_url: str = ""
    port: int = 8765
    slow: bool = False
    ministack: str = "build/ministack/bin/ministack"
    report: str = "build/live"

    @property
    def estimate(self) -> str:
        """What a run on AWS makes, and what it costs at the list price."""
        messages, minutes = (80, 30) if self.public_url else (0, 0)
        if self.public_url and self.slow:
            minutes += 60
        dollars = messages * _API_DOLLARS_PER_MESSAGE + minutes * _DOLLARS_PER_CONNECTION_MINUTE
        domain = f", the custom domain {self.domain}" if self.domain else ""
        if self.zone:
            domain += f" with its records in hosted zone {self.zone}"
        return (
            f"On AWS ({self.region}) this makes at most 4 APIs at once{domain}, and deletes them in the end. "
            f"Control plane calls are free. At most {messages} messages and {minutes} connection minutes "
            f"cost about ${dollars:.4f} (list price of us-east-1). It takes about {self.minutes} minutes, "
            "and shares the account's 10 control plane calls a second with deployments at the same time."
        )

    @property
    def minutes(self) -> int:
        """How long a run on AWS takes, roughly: the calls are limited to 10 a second."""
        return 15 + 15 * bool(self.domain) + 3 * bool(self.public_url) + 22 * self.slow


def read_choices(environment: dict[str, str] | None = None) -> Choices:
    """The choices of the environment. Raises `ValueError` with what to set."""
    given = dict(os.environ) if environment is None else environment

    def value(name: str, default: str = "") -> str:
        return given.get(f"{PREFIX}_{name}", "").strip() or default

    targets = tuple(item.strip() for item in given.get(PREFIX, "").split(",") if item.strip())
    if unknown := [item for item in targets if item not in TARGETS]:
        raise ValueError(f"{PREFIX}: {unknown[0]!r} is not one of {', '.join(TARGETS)}.")
    port = value("PORT", "8765")
    if not re.fullmatch(r"\d{1,5}", port) or not 0 < int(port) < 65536:
        raise ValueError(f"{PREFIX}_PORT: {port!r} is not a port.")
    found = Choices(
        targets=targets,
        region=value("REGION"),
        log_group=value("LOG_GROUP"),
        domain=value("DOMAIN").lower(),
        certificate=value("CERTIFICATE"),
        zone=value("ZONE"),
        public_url=value("TARGET").rstrip("/"),
        port=int(port),
        slow=value("SLOW") == "1",
        ministack=value("MINISTACK", Choices.ministack),
        report=value("REPORT", Choices.report),
    )
    if "aws" in targets and not found.region:
        raise ValueError(f"Set {PREFIX}_REGION to the region of the account, such as eu-west-1.")
    if "aws" in targets and bool(found.domain) != bool(found.certificate):
        raise ValueError(f"Set both {PREFIX}_DOMAIN and {PREFIX}_CERTIFICATE, or neither.")
    if "aws" in targets and found.zone and not found.domain:
        raise ValueError(f"{PREFIX}_ZONE needs {PREFIX}_DOMAIN: the name that is recorded in it.")
    return found
