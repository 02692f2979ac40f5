"""A run to DefectDojo: one re-import that makes what is missing, and a look whether every finding stands there.

Source: https://docs.defectdojo.com, API v2. A re-import of the same file changes nothing, so it can be sent again. The
run's id is kept as the test's build id: where it stands there, the run has arrived, whatever became of the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scanner.errors import PushError

from .wire import Doubtful, Wire

SCAN_TYPE, TEST = "Generic Findings Import", "Riskline"
LOOKS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where it goes. All three are made where they are not there."""

    product: str
    engagement: str = "Riskline"
    product_type: str = "Riskline"


def push(
    wire: Wire, place: Place, run_id: str, report: bytes, findings: list[dict[str, Any]], say: Callable[[str], None]
) -> str:
    """Send the report of a whole run; what was done, in a sentence. report: as the format `defectdojo` writes it."""
    test = _arrived(wire, place, run_id)
    if test is not None:
        say(f"run {run_id} is there already; only reading back")
    else:
        test = _sent(wire, place, run_id, report, say)
    _decide(wire, test, findings)
    _hold(wire, test, findings)
    return f"{len(findings)} findings stand in {place.product}, {place.engagement}, as sent"


def _sent(wire: Wire, place: Place, run_id: str, report: bytes, say: Callable[[str], None]) -> int:
    """The test that holds the run now. Without an answer it is looked for, and never sent a second time by itself."""
    try:
        _send(wire, place, run_id, report)
    except Doubtful as error:
        say(f"{error}; looking whether it arrived")
        for _ in range(LOOKS):
            time.sleep(wire.pause_s)
            if (test := _arrived(wire, place, run_id)) is not None:
                return test
        raise PushError(
            "DefectDojo gave no answer and does not have the run yet; run the same command again"
        ) from error
    if (test := _arrived(wire, place, run_id)) is None:
        raise PushError("DefectDojo said that it took the file, and no test of that build is there")
    return test


def _send(wire: Wire, place: Place, run_id: str, report: bytes) -> None:
    # No `service`: a re-import with another one would close nothing. Info is the least, or the unknown would be closed.
    form = {
        "scan_type": SCAN_TYPE,
        "test_title": TEST,
        "product_type_name": place.product_type,
        "product_name": place.product,
        "engagement_name": place.engagement,
        "auto_create_context": "true",
        "close_old_findings": "true",
        "do_not_reactivate": "false",
        "minimum_severity": "Info",
        "build_id": run_id,
    }
    files = {"file": ("riskline.json", report, "application/json")}
    wire.send("POST", "/api/v2/reimport-scan/", data=form, files=files)


def _arrived(wire: Wire, place: Place, run_id: str) -> int | None:
    """The test that holds this run; None where there is none. Two of one title: nobody knows which one is meant."""
    engagements = [
        one["id"]
        for product in wire.rows("/api/v2/products/", name_exact=place.product)
        if product.get("name") == place.product
        for one in wire.rows("/api/v2/engagements/", product=str(product["id"]))
        if one.get("name") == place.engagement and one.get("product") == product["id"]
    ]
    tests = [
        one
        for engagement in engagements
        for one in wire.rows("/api/v2/tests/", engagement=str(engagement))
        if one.get("title") == TEST and one.get("engagement") == engagement
    ]
    if len(tests) > 1:
        raise PushError(f"{place.product}, {place.engagement} has {len(tests)} tests titled {TEST!r}; keep one")
    return int(tests[0]["id"]) if tests and tests[0].get("build_id") == run_id else None


def _decide(wire: Wire, test: int, sent: list[dict[str, Any]]) -> None:
    """Accept there what is accepted here, and the other way round: a re-import leaves that of a known finding alone."""
    wanted = {(one["title"], one["description"].strip()): one for one in sent}
    for row in wire.rows("/api/v2/findings/", test=str(test)):
        one = wanted.get((row.get("title"), str(row.get("description", "")).strip()))
        if row.get("test") != test or one is None or bool(row.get("risk_accepted")) == one["risk_accepted"]:
            continue
        change = {field: one[field] for field in ("active", "risk_accepted")}
        try:
            wire.send("PATCH", f"/api/v2/findings/{row['id']}/", json=change)
        except Doubtful:
            raise
        except PushError as error:
            raise PushError(f"{error}; allow simple risk acceptance in that product, then push again") from error


def _hold(wire: Wire, test: int, sent: list[dict[str, Any]]) -> None:
    """Raise PushError where a finding is missing, stands there otherwise, or is open though it was not sent."""
    there = {
        (row.get("title"), str(row.get("description", "")).strip()): row
        for row in wire.rows("/api/v2/findings/", test=str(test))
        if row.get("test") == test
    }
    wrong = []
    for one in sent:
        row = there.pop((one["title"], one["description"].strip()), None)
        if row is None:
            wrong.append(f"{one['title']}: missing")
        else:
            wrong += [
                f"{one['title']}: {field} is {row.get(field)!r}, sent {one[field]!r}"
                for field in ("severity", "active", "verified", "risk_accepted")
                if row.get(field) != one[field]
            ]
    wrong += [f"{title}: still open" for (title, _), row in there.items() if row.get("active")]
    refuse(wrong)


def refuse(wrong: list[str]) -> None:
    """Raise PushError that names the first few differences."""
    if wrong:
        more = f"\n… and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise PushError("What stands there is not what was sent:\n" + "\n".join(wrong[:10]) + more)
