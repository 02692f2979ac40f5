"""An account with very many disks behind HTTP: pages of the size and shape that EC2 has, made as they are asked for.

As with EC2, a question that names no size of a page gets everything at once. The seventh disk is not encrypted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs

from .http_server import Answering, serving

IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/riskline</Arn>"
    "<UserId>AIDA</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
REGIONS = (
    "<DescribeRegionsResponse><regionInfo><item><regionName>us-east-1</regionName>"
    "<optInStatus>opt-in-not-required</optInStatus></item></regionInfo></DescribeRegionsResponse>"
)
DISK = (
    "<item><volumeId>vol-{number:017x}</volumeId><size>100</size><snapshotId>snap-{number:017x}</snapshotId>"
    "<availabilityZone>us-east-1a</availabilityZone><status>in-use</status>"
    "<createTime>2026-01-30T10:11:12.123Z</createTime><volumeType>gp3</volumeType><iops>3000</iops>"
    "<throughput>125</throughput><encrypted>{encrypted}</encrypted><multiAttachEnabled>false</multiAttachEnabled>"
    "<kmsKeyId>arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555</kmsKeyId>"
    "<attachmentSet><item><volumeId>vol-{number:017x}</volumeId><instanceId>i-{number:017x}</instanceId>"
    "<device>/dev/xvda</device><status>attached</status><attachTime>2026-01-30T10:11:13.000Z</attachTime>"
    "<deleteOnTermination>true</deleteOnTermination></item></attachmentSet>"
    "<tagSet><item><key>Name</key><value>web-{number}</value></item>"
    "<item><key>env</key><value>prod</value></item></tagSet></item>"
)
NO_TAGS = '{"ResourceTagMappingList": []}'


@dataclass
class Disks:
    """What the account holds, and what was sent. largest: the bytes of the largest answer."""

    number: int
    url: str = ""
    pages: int = 0
    sent: int = 0
    largest: int = 0

    def page(self, asked: dict[str, list[str]]) -> str:
        """The disks from where the last page ended."""
        first = int(asked.get("NextToken", ["0"])[0])
        last = min(self.number, first + int(asked.get("MaxResults", [str(self.number)])[0]))
        told = "".join(DISK.format(number=n, encrypted=str(n != 7).lower()) for n in range(first, last))
        more = f"<nextToken>{last}</nextToken>" if last < self.number else ""
        self.pages += 1
        return f"<DescribeVolumesResponse><volumeSet>{told}</volumeSet>{more}</DescribeVolumesResponse>"


@contextmanager
def many_disks(number: int) -> Iterator[Disks]:
    """The account on a free port of loopback."""
    disks = Disks(number)

    class Account(Answering):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            fixed = {"GetCallerIdentity": IDENTITY, "DescribeRegions": REGIONS, "GetResources": NO_TAGS}
            operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2] or asked["Action"][0]
            body = (fixed.get(operation) or disks.page(asked)).encode()
            disks.sent += len(body)
            disks.largest = max(disks.largest, len(body))
            self.answer(body)

    with serving(Account) as disks.url:
        yield disks
