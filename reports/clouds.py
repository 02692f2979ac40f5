"""Where a thing in the cloud is: its account, its region, and the page of the console that is about it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")


class Place(NamedTuple):
    """Each is empty where the subject does not tell: buckets have no account in their name, people no region."""

    account: str = ""
    region: str = ""
    console: str = ""


def place_of(subject: str) -> Place:
    """'arn:aws:rds:eu-west-1:111122223333:db:shop' -> its account, region and page; 'eu-west-1' -> the region alone.

    The console itself finds the page that belongs to an ARN.
    """
    parts = subject.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return Place(region=subject if _REGION.fullmatch(subject) else "")
    host = CONSOLES.get(parts[1], "")
    page = f"https://{host}/go/view?arn={quote(subject, safe=':/')}" if host else ""
    return Place(parts[4] if parts[4].isdigit() else "", parts[3], page)
