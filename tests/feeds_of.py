"""Feeds made for tests: small, whole, and of the published shapes."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CVSS = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def record(
    id: str,
    package: str,
    fixed: str | None,
    ecosystem: str = "Debian:12",
    events: list[dict[str, str]] | None = None,
    urgency: str = "not yet assigned",
    **more: Any,
) -> dict[str, Any]:
    """One OSV record of a Debian shape: the CVE stands in `upstream`."""
    written = events or [{"introduced": "0"}, *([{"fixed": fixed}] if fixed is not None else [])]
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": written}],
        "ecosystem_specific": {"urgency": urgency},
    }
    cve = id.removeprefix("DEBIAN-")
    base = {"id": id, "modified": "2026-11-01T10:00:00Z", "upstream": [cve], "affected": [affected], "summary": id}
    return {**base, "severity": [{"type": "CVSS_V3", "score": CVSS}], **more}


def cve(number: int) -> str:
    return f"DEBIAN-CVE-2026-{10000 + number}"


def archive(path: Path, records: list[Any]) -> Path:
    """An all.zip; a text among the records is written as it stands."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for number, one in enumerate(records):
            opened.writestr(f"{number}.json", one if isinstance(one, str) else json.dumps(one))
    return path


def kev_list(path: Path, cves: list[str], released: str = "2025-11-20T10:00:00.1Z", count: int | None = None) -> Path:
    entries = [{"cveID": one, "dateAdded": "2025-11-01", "knownRansomwareCampaignUse": "Known"} for one in cves]
    whole = {"dateReleased": released, "count": len(entries) if count is None else count, "vulnerabilities": entries}
    path.write_text(json.dumps(whole))
    return path


def epss_list(
    path: Path, rows: list[str], scored: str = "2025-11-20T12:55:00+0000", model: str = "v2025.03.14"
) -> Path:
    head = f"#model_version:{model},score_date:{scored}\ncve,epss,percentile\n"
    path.write_bytes(gzip.compress((head + "".join(f"{row}\n" for row in rows)).encode()))
    return path


def ends_list(
    path: Path,
    products: dict[str, list[tuple[str, str | None, str | None]]],
    made: str = "2025-11-20T10:00:00Z",
    total: int | None = None,
) -> Path:
    """endoflife.date's list: product -> (release, its end, the end of its extended support)."""
    listed = [
        {"name": name, "releases": [{"name": one, "eolFrom": day, "eoesFrom": extended} for one, day, extended in of]}
        for name, of in products.items()
    ]
    whole = {"schema_version": "1.2.0", "generated_at": made, "total": len(listed) if total is None else total}
    path.write_text(json.dumps({**whole, "result": listed}))
    return path
