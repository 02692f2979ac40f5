"""Prowler beside Riskline: what each costs on the same account, and where the two verdicts differ.

Nothing of Prowler is imported: both are run as their users run them, whole, and what they wrote is read.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scanner.plan import PlannedAsset

COMPLIANCE, SELECT = "cis_5.0_aws", "cis-5.0=*"
WORST = ("fail", "unknown", "pass")
INVENTORY = """
assets: {{cloud: {{access: {{aws: {{endpoint: "{url}", regions: [{regions}], access_key_id: "env:AWS_ACCESS_KEY_ID",
  secret_access_key: "env:AWS_SECRET_ACCESS_KEY"}}}}}}}}
"""
Cost = tuple[float, float, int]
"""Wall seconds, CPU seconds, requests."""
Said = dict[str, str]


def run_prowler(command: str, url: str, regions: Sequence[str], requests: Callable[[], int]) -> tuple[Cost, list[Said]]:
    """Prowler's cost for CIS 5.0 of the account at the URL, and the rows of its CSV."""
    with tempfile.TemporaryDirectory() as name:
        words = [command, "aws", "--compliance", COMPLIANCE, "-f", *regions, "-M", "csv", "-o", name, "--no-banner"]
        cost = _run(words, Path(name), {"AWS_ENDPOINT_URL": url}, requests)
        files = list(Path(name).glob("*.csv"))
        return cost, list(csv.DictReader(files[0].read_text().splitlines(), delimiter=";")) if files else []


def run_riskline(url: str, regions: Sequence[str], requests: Callable[[], int]) -> tuple[Cost, list[Said]]:
    """The cost of `riskline scan` for the same, and its findings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inventory.yaml").write_text(INVENTORY.format(url=url, regions=", ".join(regions)))
        words = [sys.executable, "-m", "scanner.cli", "scan", "-i", "inventory.yaml", "-b", "aws", "--select", SELECT]
        cost = _run([*words, "--register", "register.db", "-o", "found.json"], folder, {}, requests)
        return cost, json.loads((folder / "found.json").read_text())["findings"]


def _run(words: Sequence[str], folder: Path, env: Mapping[str, str], requests: Callable[[], int]) -> Cost:
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
    requests()
    wall, cpu = time.perf_counter(), _children_s()
    subprocess.run(words, env={**os.environ, **keys, **env}, cwd=folder, capture_output=True, timeout=1800, check=False)
    return time.perf_counter() - wall, _children_s() - cpu, requests()


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(controls: Mapping[str, Sequence[str]], findings: Sequence[Said], rows: Sequence[Said]) -> list[str]:
    """A line for each pass or fail of Prowler's that Riskline answers otherwise, and one with the sums.

    controls: a check of Prowler's -> the controls that answer it.
    """
    said = {(one["control"], one["subject"]): one["outcome"] for one in findings}
    lines: list[str] = []
    sums: Counter[str] = Counter()
    for row in (row for row in rows if row["STATUS"] in {"PASS", "FAIL"}):
        theirs, ours = row["STATUS"].lower(), _ours(said, controls.get(row["CHECK_ID"], ()), row)
        sums["the same" if ours == theirs else ours or "not said of that subject"] += 1
        if ours and ours != theirs:
            lines.append(f"  {row['CHECK_ID']} {row['RESOURCE_UID']}: {theirs}, here {ours} ({row['STATUS_EXTENDED']})")
    return [*sorted(lines), "Prowler's verdicts, here: " + ", ".join(f"{n} {word}" for word, n in sorted(sums.items()))]


def _ours(said: Mapping[tuple[str, str], str], controls: Sequence[str], row: Said) -> str:
    """The worst that the controls say of the row's resource, region or account; "" where they say nothing of it."""
    found = set()
    for control in controls:
        places = (row["RESOURCE_UID"], row["REGION"], row["ACCOUNT_UID"], "")
        found.add(next((said[control, place] for place in places if (control, place) in said), ""))
    return next((outcome for outcome in WORST if outcome in found), "")


def answering(planned: PlannedAsset) -> dict[str, list[str]]:
    """Check of Prowler's -> the controls of a planned asset that name it."""
    found: dict[str, list[str]] = defaultdict(list)
    for baseline in planned.baselines:
        for one in baseline.controls:
            for name in one.control.references.get("prowler", ()):
                found[name].append(one.control.id)
    return found
