"""CloudTrail: whether what is done in the account is written down everywhere, and cannot be rewritten."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .s3 import LOGGING

TRAILS = api("cloudtrail", "describe_trails", items="trailList", identity="TrailARN")
KNOWN = Fact(TRAILS, parse.rows)
STATUS = Fact(api("cloudtrail", "get_trail_status", params={"Name": "TrailARN"}, each=TRAILS), parse.rows)
SELECTORS = Fact(api("cloudtrail", "get_event_selectors", params={"TrailName": "TrailARN"}, each=TRAILS), parse.rows)


def _trails(rows: list[Row]) -> dict[str, Row]:
    """Each trail once: one that covers many regions is told of in each of them."""
    return {row.subject: row for row in rows}


def _logging(rows: list[Row]) -> set[str]:
    return {row.of for row in rows if (row.item or {}).get("IsLogging")}


def _management(rows: list[Row]) -> set[str]:
    """Trails that write down every management event, reading and writing ones."""
    found = set()
    for row in rows:
        item = row.item or {}
        simple = item.get("EventSelectors") or []
        if any(one.get("IncludeManagementEvents") and one.get("ReadWriteType", "All") == "All" for one in simple):
            found.add(row.of)
        for one in item.get("AdvancedEventSelectors") or []:
            fields = {field["Field"]: field for field in one.get("FieldSelectors") or []}
            if (fields.get("eventCategory") or {}).get("Equals") == ["Management"] and set(fields) == {"eventCategory"}:
                found.add(row.of)
    return found


@check("aws.trails.everywhere", KNOWN, STATUS, SELECTORS)
def everywhere(known: list[Row], status: list[Row], selectors: list[Row]) -> list[str]:
    """The trails that are on, cover every region and write down all management events."""
    return whole(known, status, selectors)


def whole(known: list[Row], status: list[Row], selectors: list[Row]) -> list[str]:
    """The trails that leave out no region and no management event."""
    good = _logging(status) & _management(selectors)
    return [arn for arn, row in _trails(known).items() if row.item.get("IsMultiRegionTrail") and arn in good]


@check("aws.trails.on", KNOWN, STATUS)
def on(known: list[Row], status: list[Row]) -> list[str]:
    """The trails that are on, whatever they write down."""
    logging = _logging(status)
    return [arn for arn in _trails(known) if arn in logging]


@check("aws.trails.setting", KNOWN)
def setting(known: list[Row], key: str) -> dict[str, str | bool | None]:
    """Per trail: a field of it, such as LogFileValidationEnabled, KmsKeyId or CloudWatchLogsLogGroupArn."""
    return {arn: row.item.get(key) for arn, row in _trails(known).items()}


@check("aws.trails.bucket_logged", KNOWN, LOGGING)
def bucket_logged(known: list[Row], logging: list[Row]) -> dict[str, bool]:
    """Per trail whose bucket is in this account: whether requests to that bucket are logged."""
    buckets = {
        (row.of or row.subject).rpartition(":")[2]: bool((row.item or {}).get("LoggingEnabled")) for row in logging
    }
    return {
        arn: buckets[row.item["S3BucketName"]]
        for arn, row in _trails(known).items()
        if row.item.get("S3BucketName") in buckets
    }


@check("aws.trails.object_events", SELECTORS, STATUS)
def object_events(selectors: list[Row], status: list[Row], kind: str) -> bool:
    """Whether some trail that is on writes down who reads (ReadOnly) or writes (WriteOnly) objects of all buckets."""
    logging = _logging(status)
    return any(row.of in logging and _tells_objects(row, kind) for row in selectors)


def _tells_objects(row: Row, kind: str) -> bool:
    item = row.item or {}
    for one in item.get("EventSelectors") or []:
        for data in one.get("DataResources") or []:
            every = any(value in {"arn:aws:s3", "arn:aws:s3:::"} for value in data.get("Values") or [])
            if data.get("Type") == "AWS::S3::Object" and every and one.get("ReadWriteType", "All") in {"All", kind}:
                return True
    for one in item.get("AdvancedEventSelectors") or []:
        fields = {field["Field"]: field for field in one.get("FieldSelectors") or []}
        of_objects = (fields.get("resources.type") or {}).get("Equals") == ["AWS::S3::Object"]
        reading = (fields.get("readOnly") or {}).get("Equals")
        wanted = {"ReadOnly": ["true"], "WriteOnly": ["false"]}[kind]
        of_all = set(fields) <= {"eventCategory", "resources.type", "readOnly"}  # any other field leaves some out
        if of_objects and of_all and reading in (None, wanted):
            return True
    return False
