"""CloudWatch: whether somebody is told of what matters while it happens, from the log to the subscriber."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scanner import Fact, Undetermined, Unparsable, api, check, parse
from scanner.parse import Row

from .filter_patterns import Event, counts
from .trails import KNOWN, SELECTORS, STATUS, whole

FILTERS = Fact(api("logs", "describe_metric_filters", items="metricFilters"), parse.rows)
ALARMS = Fact(
    api(
        "cloudwatch",
        "describe_alarms",
        items="MetricAlarms[].{MetricName: MetricName, Namespace: Namespace, ActionsEnabled: ActionsEnabled,"
        " AlarmActions: AlarmActions, Threshold: Threshold, ComparisonOperator: ComparisonOperator,"
        " AlarmArn: AlarmArn}",
        identity="AlarmArn",
    ),
    parse.rows,
)
SUBSCRIPTIONS = Fact(
    api("sns", "list_subscriptions", items="Subscriptions[].{TopicArn: TopicArn, SubscriptionArn: SubscriptionArn}"),
    parse.rows,
)


@check("aws.alarms.told_of", KNOWN, STATUS, SELECTORS, FILTERS, ALARMS, SUBSCRIPTIONS)
def told_of(
    known: list[Row],
    status: list[Row],
    selectors: list[Row],
    filters: list[Row],
    alarms: list[Row],
    subscriptions: list[Row],
    events: list[str],
    about: str = "",
    field: str = "eventName",
    most: int = 1,
) -> list[str]:
    """Which of the `events` happen without anybody being told, by a filter on a trail's log group and its alarm.

    The trail must be on, cover every region and hold all management events; somebody must have confirmed to the topic.
    about: what the events have in common, "userIdentity.type=Root; eventType=AwsApiCall". most: as many of them may
    pass before the alarm. Where only what cannot be read from here could tell of one, that is Undetermined.
    """
    groups, elsewhere = _groups(known, whole(known, status, selectors))
    heard = {one.fields["TopicArn"] for one in subscriptions if str(one.fields.get("SubscriptionArn")).startswith("ar")}
    loud = [row for row in filters if _group(row) in groups and _rings(row, alarms, heard, most)]
    common = dict(part.strip().split("=", 1) for part in about.split(";") if part.strip())
    unheard, unreadable = _unheard(loud, [common | {field: name} for name in events], field)
    if unheard and (unreadable or elsewhere):
        raise Undetermined(unreadable or f"the trail's log group is in another account: {elsewhere}")
    return unheard


def _groups(known: list[Row], trails: list[str]) -> tuple[set[tuple[str, str]], str]:
    """(region, name) of the log groups of those trails, and one that belongs to another account."""
    found, elsewhere = set(), ""
    for row in known:
        parts = str(row.item.get("CloudWatchLogsLogGroupArn") or "").split(":")
        if row.subject in trails and len(parts) > 6:
            if parts[4] == row.account:
                found.add((parts[3], parts[6]))
            else:
                elsewhere = ":".join(parts[:7])
    return found, elsewhere


def _group(row: Row) -> tuple[str, str]:
    return row.region, str(row.fields.get("logGroupName"))


def _rings(row: Row, alarms: list[Row], heard: set[Any], most: int) -> bool:
    """Whether what the filter counts raises an alarm that somebody gets."""
    metrics = {
        (one.get("metricNamespace"), one.get("metricName")) for one in row.fields.get("metricTransformations") or []
    }
    return any(
        alarm.region == row.region
        and (alarm.fields.get("Namespace"), alarm.fields.get("MetricName")) in metrics
        and alarm.fields.get("ActionsEnabled") is not False
        and _soon(alarm.fields, most)
        and any(action in heard for action in alarm.fields.get("AlarmActions") or [])
        for alarm in alarms
    )


def _soon(alarm: dict[str, Any], most: int) -> bool:
    threshold = alarm.get("Threshold")
    if not isinstance(threshold, int | float):
        return False
    operator = alarm.get("ComparisonOperator")
    if operator == "GreaterThanOrEqualToThreshold":
        return 0 < threshold <= most
    return operator == "GreaterThanThreshold" and 0 <= threshold < most


def _unheard(filters: list[Row], events: list[Event], field: str) -> tuple[list[str], str]:
    """The events that no filter counts, and a pattern that could not be read."""
    patterns = [str(row.fields.get("filterPattern") or "") for row in filters]
    unreadable = ""
    left = []
    for event in events:
        told = False
        for found in _tried(patterns, event):
            if isinstance(found, str):
                unreadable = f"a filter pattern of another kind: {found}"
            told = told or found is True
        if not told:
            left.append(event[field])
    return left, unreadable


def _tried(patterns: list[str], event: Event) -> Iterator[bool | str]:
    for pattern in patterns:
        try:
            yield counts(pattern, event)
        except Unparsable:
            yield pattern
