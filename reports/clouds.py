"""Where a thing in the cloud is: its account, its region, and the page of the console that is about it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from scanner.model import Visited

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")


class Place(NamedTuple):
    """Each is empty where nobody tells: people have no region."""

    account: str = ""
    region: str = ""
    console: str = ""


def account_of(visited: Visited) -> str:
    """The account of which an asset's findings speak, where they all speak of one; buckets have none in their names."""
    parts = (finding.subject.split(":", 5) for finding in visited.findings if finding.subject.startswith("arn:"))
    accounts = {part[4] for part in parts if len(part) == 6 and part[4].isdigit()}
    return accounts.pop() if len(accounts) == 1 else ""


def place_of(subject: str, account: str = "") -> Place:
    """'arn:aws:rds:eu-west-1:111122223333:db:shop' -> its account, region and page; 'eu-west-1' -> the region alone.

    account: of what has none in its name. The console itself finds the page that belongs to an ARN.
    """
    parts = subject.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return Place(account, region=subject if _REGION.fullmatch(subject) else "")
    host = CONSOLES.get(parts[1], "")
    page = f"https://{host}/go/view?arn={quote(subject, safe=':/')}" if host else ""
    return Place(parts[4] if parts[4].isdigit() else account, parts[3], page)
