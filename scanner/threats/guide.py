"""Microsoft's Security Update Guide: one CVRF document a month, as JSON, into the flaws of Windows and what mends them.

Only Windows itself is read: .NET Framework, Office, Exchange and the like have versions of their own that no visit
reads. A document is an answer of a stranger: a flaw that is amiss is listed, and the others are used.
Source: api.msrc.microsoft.com/cvrf/v3.0, github.com/microsoft/MSRC-Microsoft-Security-Updates-API.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from scanner.errors import Unparsable

from .reading import AMISS, CVE, Bad, FeedRefused, Limits, bounded, bounded_read, instant, read_json, text_of
from .windows import same_name

Kind = Literal["cumulative", "hotpatch", "other"]
MONTH = re.compile(r"[12][0-9]{3}-[A-Z][a-z]{2}(?:-[A-Z])?")
_WINDOWS = re.compile(r"windows (?:server|10|11)\b")
_BUILD = re.compile(r"10\.0\.([0-9]{5})\.([0-9]{1,6})")
_KB = re.compile(r"(?:KB)?([0-9]{6,8})")
MOST_MONTHS = 24
"""Older ones are not fetched: what they name is mended by the update of any later month."""
LIST_BYTES = 4 << 20
MONTH_BYTES = 256 << 20
_VENDOR_FIX, _AFFECTED, _EXPLOIT_STATUS = 2, 3, 1
"""Numbers of the JSON form: of remediations, of product statuses, of threats."""


@dataclass(frozen=True, slots=True)
class Update:
    """What mends a flaw in a product. build, revision: from which on it is mended; None where the guide says none.

    replaces: the update that this one supersedes, '' for none. A hotpatch mends without a restart, at a lower revision.
    """

    kind: Kind
    kb: str
    build: int | None
    revision: int | None
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Affected:
    """A flaw of one product. product: as it is compared. exploited: Microsoft says that it is."""

    product: str
    cve: str
    cvss: str
    title: str
    exploited: bool
    updates: tuple[Update, ...]


@dataclass(frozen=True, slots=True)
class Month:
    """One document: 2026-Nov, as of when, and what it says of Windows."""

    id: str
    current_at: datetime
    affected: tuple[Affected, ...]
    bad: tuple[Bad, ...]


@dataclass(frozen=True, slots=True)
class Issue:
    """A document that the list of documents names, and as of when it is."""

    id: str
    current_at: datetime
    url: str


def issues(content: bytes) -> list[Issue]:
    """The newest documents that api.msrc.microsoft.com/cvrf/v3.0/updates names, the last first; or FeedRefused."""
    if len(content) > LIST_BYTES:
        raise FeedRefused(f"the list of documents is longer than {LIST_BYTES} bytes")
    try:
        listed = read_json(content)["value"]
        found = [one for one in listed if MONTH.fullmatch(text_of(one["ID"]))]
        found.sort(key=lambda one: instant(one["InitialReleaseDate"]), reverse=True)
        return [Issue(o["ID"], instant(o["CurrentReleaseDate"]), text_of(o["CvrfUrl"])) for o in found[:MOST_MONTHS]]
    except AMISS as error:
        raise FeedRefused(f"not the list of documents of the Security Update Guide ({error})") from error


def months(path: Path, limits: Limits) -> Iterator[Month]:
    """The document of a file, or all documents of an archive of them."""
    with path.open("rb") as opened:
        archive = opened.read(2) == b"PK"
        opened.seek(0)
        content = b"" if archive else bounded_read(opened, limits)
    if not archive:
        yield month(path.name, content)
        return
    try:
        with zipfile.ZipFile(path) as opened_archive:
            entries = [one for one in opened_archive.infolist() if one.filename.endswith(".json")]
            bounded(entries, path.stat().st_size, replace(limits, max_record_bytes=MONTH_BYTES))
            for entry in entries:
                with opened_archive.open(entry) as one:
                    content = one.read(entry.file_size + 1)
                if len(content) != entry.file_size:
                    raise FeedRefused(f"{path.name}: an entry is not as long as the archive says")
                yield month(path.name, content)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FeedRefused(f"{path.name}: not a whole zip archive ({error})") from error


def month(name: str, content: bytes) -> Month:
    """One CVRF document. FeedRefused where it is none as a whole."""
    try:
        whole = read_json(content)
        tracking = whole["DocumentTracking"]
        id = text_of(tracking["Identification"]["ID"]["Value"])
        if not MONTH.fullmatch(id):
            raise Unparsable(f"not a month: {id[:40]!r}")
        current_at = instant(tracking["CurrentReleaseDate"])
        listed = whole["ProductTree"]["FullProductName"]
        products = {text_of(one["ProductID"]): same_name(text_of(one["Value"])) for one in listed}
        flaws = list(whole["Vulnerability"])
    except AMISS as error:
        raise FeedRefused(f"{name}: not a document of the Security Update Guide ({error})") from error
    own = {number: product for number, product in products.items() if _WINDOWS.match(product)}
    good: list[Affected] = []
    bad: list[Bad] = []
    for number, one in enumerate(flaws):
        try:
            good += _affected(one, own)
        except AMISS as error:
            bad.append(Bad(f"{id} entry {number}", f"{type(error).__name__}: {str(error)[:160]}"))
    return Month(id, current_at, tuple(good), tuple(bad))


def _affected(record: Any, products: Mapping[str, str]) -> list[Affected]:
    """What one vulnerability says of each product of Windows. Advisories without a CVE are no flaws."""
    cve = text_of(record["CVE"])
    if not CVE.fullmatch(cve):
        if cve.startswith("ADV"):
            return []
        raise Unparsable(f"not a CVE: {cve[:40]!r}")
    named = {one for status in _rows(record, "ProductStatuses", _AFFECTED) for one in _products(status)}
    updates: dict[str, list[Update]] = {}
    for remedy in _rows(record, "Remediations", _VENDOR_FIX):
        for one in _products(remedy):
            updates.setdefault(one, []).append(_update(remedy))
    status = " ".join(_words(one.get("Description")) for one in _rows(record, "Threats", _EXPLOIT_STATUS))
    title, attacked = _words(record.get("Title")) or cve, "exploited:yes" in status.lower()
    return [
        Affected(
            products[one], cve, _vector(record, one), title[:200], attacked, tuple(dict.fromkeys(updates.get(one, ())))
        )
        for one in sorted((named | updates.keys()) & products.keys())
    ]


def _rows(record: Any, key: str, kind: int) -> Iterable[Any]:
    """The entries of one kind; a list of something else than objects is amiss."""
    listed = record.get(key) or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Unparsable(f"{key} is not a list of objects")
    return [one for one in listed if one.get("Type") == kind]


def _products(row: Any) -> list[str]:
    """The products that an entry is for; one without any is amiss, for nobody could say whom it leaves out."""
    listed = row["ProductID"]
    if not isinstance(listed, list) or not listed:
        raise Unparsable("an entry names no product")
    return [text_of(one) for one in listed]


def _words(text: Any) -> str:
    found = text.get("Value") if isinstance(text, dict) else text
    return " ".join(found.split()) if isinstance(found, str) else ""


def _update(remedy: Any) -> Update:
    kind = re.sub(r"[ _-]", "", str(remedy.get("SubType") or "")).lower()
    number = _KB.fullmatch(_words(remedy.get("Description")))
    built = _BUILD.fullmatch(_words(remedy.get("FixedBuild")))
    before = _KB.fullmatch(_words(remedy.get("Supercedence")))
    named: Kind = "hotpatch" if "hotpatch" in kind else "cumulative" if kind == "securityupdate" and built else "other"
    build, revision = (int(built[1]), int(built[2])) if built else (None, None)
    return Update(named, number[1] if number else "", build, revision, before[1] if before else "")


def _vector(record: Any, product: str) -> str:
    """The CVSS vector for a product, else the first one there is."""
    sets = record.get("CVSSScoreSets") or []
    own = [one for one in sets if product in (one.get("ProductID") or ())]
    return next((text_of(one["Vector"]) for one in own or sets if one.get("Vector")), "")
