"""Config, GuardDuty and Security Hub: whether somebody keeps an eye on the account, region by region."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

RECORDERS = Fact(api("config", "describe_configuration_recorders"), parse.rows)
RECORDING = Fact(api("config", "describe_configuration_recorder_status"), parse.rows)
DETECTORS = Fact(
    api(
        "guardduty",
        "get_detector",
        items="{features: Features, status: Status}",
        params={"DetectorId": "DetectorIds[0]"},  # a region has one at most
        each=api("guardduty", "list_detectors"),
    ),
    parse.rows,
)
HUB = Fact(
    api("securityhub", "describe_hub", absent=("InvalidAccessException", "ResourceNotFoundException")), parse.rows
)


@check("aws.watching.config_records", RECORDERS, RECORDING)
def config_records(recorders: list[Row], recording: list[Row]) -> dict[str, bool]:
    """Per region: whether AWS Config records every kind of resource, and did so without an error."""
    complete = {}
    for row in recorders:
        found = row.item.get("ConfigurationRecorders") or []
        complete[row.region] = any((one.get("recordingGroup") or {}).get("allSupported") for one in found)
    on = {
        row.region: any(
            one.get("recording") and str(one.get("lastStatus")).upper() != "FAILURE"
            for one in row.item.get("ConfigurationRecordersStatus") or []
        )
        for row in recording
    }
    return {region: complete.get(region, False) and on.get(region, False) for region in sorted({*complete, *on})}


@check("aws.watching.guardduty", DETECTORS)
def guardduty(rows: list[Row]) -> dict[str, bool]:
    """Per region: whether GuardDuty has a detector, and it is not suspended."""
    return {row.region: row.fields.get("status") == "ENABLED" for row in rows}


@check("aws.watching.security_hub", HUB)
def security_hub(rows: list[Row]) -> dict[str, bool]:
    """Per region: whether Security Hub is on."""
    return {row.region: bool((row.item or {}).get("HubArn")) for row in rows}
