"""IAM users as the credential report tells of them: second factors, keys, what is used and since when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from scanner import Fact, Undetermined, api, check, parse
from scanner.parse import Row

REPORT = Fact(api("iam", "get_credential_report", everywhere=False), parse.rows)
ROOT = "<root_account>"
_UNTOLD = {"N/A", "no_information", "not_supported", ""}


def _days(row: Row, field: str) -> int | None:
    """Whole days from an instant of the report to when the report was made; None where there is none."""
    said = row.item.get(field, "")
    if said in _UNTOLD:
        return None
    return max((_at(row.item["generated_at"]) - _at(said)).days, 0)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def visited_at(report: list[Row]) -> datetime:
    """When the account was visited: the instant at which AWS made the report on its users."""
    if not report:
        raise Undetermined("the report on users has not even the row of the root user")
    return _at(report[0].item["generated_at"])


def _people(rows: list[Row]) -> Iterator[Row]:
    return (row for row in rows if row.item["user"] != ROOT)


def _active_keys(row: Row) -> Iterator[str]:
    return (name for name in ("access_key_1", "access_key_2") if row.item[f"{name}_active"] == "true")


def _console(row: Row) -> bool:
    return bool(row.item["password_enabled"] in {"true", "TRUE"})


@check("aws.users.console_mfa", REPORT)
def console_mfa(rows: list[Row]) -> dict[str, bool]:
    """Per user with a console password: whether a second factor is set up."""
    return {row.subject: row.item["mfa_active"] == "true" for row in _people(rows) if _console(row)}


@check("aws.users.any_mfa", REPORT)
def any_mfa(rows: list[Row]) -> dict[str, bool]:
    """Per user, with a console password or without: whether a second factor is set up."""
    return {row.subject: row.item["mfa_active"] == "true" for row in _people(rows)}


@check("aws.users.keys_never_used", REPORT)
def keys_never_used(rows: list[Row]) -> dict[str, int]:
    """Per user with a console password: how many active keys were never used, as those made along with the user are."""
    return {
        row.subject: sum(row.item[f"{name}_last_used_date"] in _UNTOLD for name in _active_keys(row))
        for row in _people(rows)
        if _console(row)
    }


@check("aws.users.key_age_days", REPORT)
def key_age_days(rows: list[Row]) -> dict[str, int]:
    """Per user with an active access key: the age of the oldest one, in days since it was made or rotated."""
    ages = {}
    for row in _people(rows):
        found = [_days(row, f"{name}_last_rotated") or 0 for name in _active_keys(row)]
        if found:
            ages[row.subject] = max(found)
    return ages


@check("aws.users.unused_days", REPORT)
def unused_days(rows: list[Row]) -> dict[str, int]:
    """Per user with a password or an active key: for how many days the longest unused of them was not used.

    One that was never used counts from when it was set up.
    """
    ages = {}
    for row in _people(rows):
        found = []
        if _console(row):
            found.append(_since(row, "password_last_used", "password_last_changed"))
        found += [_since(row, f"{name}_last_used_date", f"{name}_last_rotated") for name in _active_keys(row)]
        if found:
            ages[row.subject] = max(found)
    return ages


def _since(row: Row, used: str, made: str) -> int:
    days = _days(row, used)
    if days is None:
        days = _days(row, made)
    return days if days is not None else _days(row, "user_creation_time") or 0


@check("aws.users.root_unused_days", REPORT)
def root_unused_days(rows: list[Row]) -> dict[str, int]:
    """Days since the root user last logged in or used a key; 36500 where it never did."""
    found = {}
    for row in rows:
        if row.item["user"] == ROOT:
            fields = ("password_last_used", "access_key_1_last_used_date", "access_key_2_last_used_date")
            days = [day for day in (_days(row, field) for field in fields) if day is not None]
            found[row.account] = min(days, default=36500)
    return found


@check("aws.users.active_keys", REPORT)
def active_keys(rows: list[Row]) -> dict[str, int]:
    """Per user: how many access keys are active."""
    return {row.subject: len(list(_active_keys(row))) for row in _people(rows)}
