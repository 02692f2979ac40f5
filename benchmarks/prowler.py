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


def run_prowler(
    command: str, url: str, regions: Sequence[str], requests: Callable[[], int], *more: str
) -> tuple[Cost, list[Said]]:
    """Prowler's cost for CIS 5.0 of the account at the URL, and the rows of its CSV. more: options of its own."""
    with tempfile.TemporaryDirectory() as name:
        words = [command, "aws", "--compliance", COMPLIANCE, "-f", *regions, "-M", "csv", "-o", name, "--no-banner"]
        words += more
        cost = _run(words, Path(name), {"AWS_ENDPOINT_URL": url}, requests)
        files = list(Path(name).glob("*.csv"))
        return cost, list(csv.DictReader(files[0].read_text().splitlines(), delimiter=";")) if files else []


def run_riskline(url: str, regions: Sequence[str], requests: Callable[[], int], *more: str) -> tuple[Cost, list[Said]]:
    """The cost of `riskline scan` for the same, and its findings. more: what is to become of its register."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inventory.yaml").write_text(INVENTORY.format(url=url, regions=", ".join(regions)))
        words = [sys.executable, "-m", "scanner.cli", "scan", "-i", "inventory.yaml", "-b", "aws", "--select", SELECT]
        cost = _run([*words, *more, "-o", "found.json"], folder, {}, requests)
        return cost, json.loads((folder / "found.json").read_text())["findings"]


def _run(words: Sequence[str], folder: Path, env: Mapping[str, str], requests: Callable[[], int]) -> Cost:
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
    # pip compiles both once for those who install them; neither is to do so at each start
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    requests()
    wall, cpu = time.perf_counter(), _children_s()
    subprocess.run(words, env={**kept, **keys, **env}, cwd=folder, capture_output=True, timeout=1800, check=False)
    return time.perf_counter() - wall, _children_s() - cpu, requests()


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(controls: Mapping[str, Sequence[str]], findings: Sequence[Said], rows: Sequence[Said]) -> list[str]:
    """A line for each verdict of Prowler's that Riskline answers otherwise, and one with the sums.

    One control may answer several checks (SSH and RDP), and one check several controls (IPv4 and IPv6): what belongs
    together is one question, and of its verdicts about one thing the worst counts, on both sides.
    controls: a check of Prowler's -> the controls that answer it.
    """
    said = {(one["control"], one["subject"]): one["outcome"] for one in findings}
    asked = _questions(controls)
    told: dict[tuple[str, str], list[Said]] = defaultdict(list)
    for row in (row for row in rows if row["STATUS"] in {"PASS", "FAIL"}):
        question = asked.get(row["CHECK_ID"], frozenset())
        place = next((one for one in _places(row) if any((id, one) in said for id in question)), None)
        told[",".join(sorted(question)) or row["CHECK_ID"], row["RESOURCE_UID"] if place is None else place].append(row)
    lines: list[str] = []
    silent: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for (_, place), group in told.items():
        names = ", ".join(sorted({row["CHECK_ID"] for row in group}))
        theirs = "fail" if any(row["STATUS"] == "FAIL" for row in group) else "pass"
        found = {said.get((id, place), "") for id in asked.get(group[0]["CHECK_ID"], ())}
        ours = next((outcome for outcome in WORST if outcome in found), "")
        sums["the same" if ours == theirs else ours or "not said of that subject"] += 1
        if not ours:
            silent[f"{names}: {theirs}"] += 1
        elif ours != theirs:
            why = next(row["STATUS_EXTENDED"] for row in group if row["STATUS"].lower() == theirs)
            lines.append(f"  {names} {place or 'account'}: {theirs}, here {ours} ({why})")
    others = [f"  {name}, {n} times, here said of another subject" for name, n in sorted(silent.items())]
    total = "Prowler's verdicts, here: " + ", ".join(f"{n} {word}" for word, n in sorted(sums.items()))
    return [*sorted(lines), *others, total]


def _questions(controls: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """Check -> all controls that answer it, or a check that shares a control with it."""
    whole = {name: frozenset(ids) for name, ids in controls.items()}
    for one in controls:
        joined = frozenset[str]().union(*(ids for ids in whole.values() if ids & whole[one]))
        whole = {name: joined if ids & joined else ids for name, ids in whole.items()}
    return whole


def _places(row: Said) -> tuple[str, ...]:
    return row["RESOURCE_UID"], row["REGION"], row["ACCOUNT_UID"], ""


def answering(planned: PlannedAsset) -> dict[str, list[str]]:
    """Check of Prowler's -> the controls of a planned asset that name it."""
    found: dict[str, list[str]] = defaultdict(list)
    for baseline in planned.baselines:
        for one in baseline.controls:
            for name in one.control.references.get("prowler", ()):
                found[name].append(one.control.id)
    return found
