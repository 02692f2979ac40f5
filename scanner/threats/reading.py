"""Feeds as records: OSV archives, exploited flaws (KEV), chances of exploitation (EPSS), when releases end.

A feed is an answer of a stranger: every byte is counted while it is unpacked, names inside an archive never reach the
disk, and a record that is amiss is listed while the others are used. A feed that is amiss as a whole is FeedRefused.
"""

from __future__ import annotations

import gzip
import json
import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from scanner.errors import RisklineError, Unparsable

from .versions import key_of

LINE_BYTES = 4096  # more than any line of a list of scores has
CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
_STREAM = re.compile(r"(?<!\S)[A-Za-z0-9][A-Za-z0-9_+-]*:[A-Za-z0-9][A-Za-z0-9_.-]*(?!\S)")
_MENDS_BUGS = re.compile(r"(?:AL|RH|RL)[BE]A-|(?:open)?SUSE-[FOR]U-")  # errata that are not about security
State = Literal["flaw", "ignored", "unwatched", "incomparable"]
Order = Callable[[str], bytes]
Scored = tuple[str, float, float]
AMISS = (Unparsable, LookupError, TypeError, AttributeError, ValueError)
"""What reading a record raises that has another shape than its schema's."""


class FeedRefused(RisklineError):
    """A feed that is not used: what is wrong with it. The one before it stays in force."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one feed. ratio: unpacked ÷ packed bytes of an archive; bad_share: records that may be amiss."""

    max_bytes: int = 1 << 30
    max_unpacked_bytes: int = 8 << 30
    max_record_bytes: int = 32 << 20
    max_records: int = 2_000_000
    ratio: float = 100.0
    bad_share: float = 0.01


class Span(NamedTuple):
    """Versions of one package that have the flaw: from `first` to before `fixed`, or up to and with it where `last`.

    Keys as bytes (see versions); first b"" is the beginning, fixed None is "no fix yet". A tuple: a feed has 180,000.
    """

    ecosystem: str
    package: str
    first: bytes
    fixed: bytes | None
    fixed_text: str
    last: bool
    state: State


@dataclass(frozen=True, slots=True)
class Advisory:
    """Published flaws that one update mends. stream: the module streams that it is for: 'idm:DL1 idm:client'."""

    id: str
    cves: tuple[str, ...]
    modified_at: datetime
    cvss: str
    summary: str
    stream: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that could not be used, and why."""

    name: str
    why: str


def instant(text: object) -> datetime:
    """'2026-08-18T12:55:00Z', with +0000 too, or a bare date -> aware UTC. Unparsable otherwise."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Unparsable(f"not a date: {str(text)[:60]!r}") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def read_json(content: bytes) -> Any:
    """JSON as RFC 8259 has it: NaN and Infinity, which Python would take, are Unparsable."""
    try:
        return _JSON.decode(content.decode("utf-8").removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise Unparsable(f"not JSON: {content[:40]!r}") from error


def _no_number(word: str) -> float:
    raise ValueError(word)


_JSON = json.JSONDecoder(parse_constant=_no_number)


# besides what zipfile says by itself: fields that lead outside the file, and packings that nobody meant
_NO_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, OSError, ValueError, OverflowError),
)


def osv(path: Path, limits: Limits) -> Iterator[Advisory | Bad]:
    """Every record of an OSV archive (all.zip). Withdrawn ones are left out."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".json")]
            bounded(entries, path.stat().st_size, limits)
            for kept in (archive.NameToInfo, archive.filelist):
                kept.clear()  # half a KiB for each of 45,000 entries: what was read is let go
            entries.reverse()
            while entries:
                entry = entries.pop()
                with archive.open(entry) as opened:
                    content = opened.read(entry.file_size + 1)
                if len(content) != entry.file_size:
                    raise FeedRefused(f"{path.name}: an entry is not as long as the archive says")
                found = _record(entry.filename, content)
                if found is not None:
                    yield found
    except _NO_ARCHIVE as error:
        raise FeedRefused(f"{path.name}: not a whole zip archive ({error})") from error


def bounded(entries: list[zipfile.ZipInfo], packed: int, limits: Limits) -> None:
    """FeedRefused where an archive unpacks to more than is allowed, by what it says of itself."""
    total = sum(entry.file_size for entry in entries)
    if len(entries) > limits.max_records:
        raise FeedRefused(f"{len(entries)} records, more than the {limits.max_records} allowed")
    if total > limits.max_unpacked_bytes or total > packed * limits.ratio:
        raise FeedRefused(f"it unpacks to {total} bytes from {packed}: more than is allowed")
    if any(entry.file_size > limits.max_record_bytes for entry in entries):
        raise FeedRefused(f"one record is larger than {limits.max_record_bytes} bytes")


def _record(name: str, content: bytes) -> Advisory | Bad | None:
    try:
        return advisory(read_json(content))
    except AMISS as error:
        return Bad(name[:120], f"{type(error).__name__}: {str(error)[:160]}")


def advisory(record: Any) -> Advisory | None:
    """One OSV record; None where it was withdrawn. Source: ossf.github.io/osv-schema.

    CVE names stand in the id, `aliases`, `upstream` or (AlmaLinux) `related`.
    """
    id, modified = text_of(record["id"]), instant(record["modified"])
    if record.get("withdrawn"):
        return None
    words = [id, *(text_of(w) for key in ("aliases", "upstream", "related") for w in record.get(key) or ())]
    cves = tuple(dict.fromkeys(cve for word in words for cve in CVE.findall(word.upper())))
    scores = [s for one in (record, *record["affected"]) for s in one.get("severity") or ()]
    vectors = {s.get("type"): text_of(s["score"]) for s in reversed(scores) if s.get("type") in {"CVSS_V3", "CVSS_V4"}}
    cvss = vectors.get("CVSS_V3") or vectors.get("CVSS_V4") or ""
    summary = str(record.get("summary") or record.get("details") or "")[:200]
    spans = tuple(span for one in record["affected"] for span in _spans(one))
    if spans and spans[0].ecosystem.startswith(_IN_PARTS):
        spans = tuple(dict.fromkeys(spans))
    if _MENDS_BUGS.match(id) and not cves:
        spans = ()  # a fifth of AlmaLinux's archive
    stream = " ".join(_STREAM.findall(summary)) if any("module" in span.fixed_text for span in spans) else ""
    return Advisory(id, cves, modified, cvss, summary, stream, spans)


def text_of(value: object) -> str:
    """A text of a record, cut at 400 characters; Unparsable where it is none, or empty."""
    if not isinstance(value, str) or not value:
        raise Unparsable(f"a text is wanted, not {str(value)[:60]!r}")
    return value[:400]


_IN_PARTS = ("Red Hat", "SUSE")


def release_of(ecosystem: str) -> str:
    """The release that an ecosystem is a part of: the parts of one release share names and versions of packages.

    'Red Hat:enterprise_linux:9::baseos' -> 'Red Hat:enterprise_linux:9'; 'SUSE:Linux Enterprise Module for Basesystem
    15 SP6' -> 'SUSE:Linux Enterprise 15 SP6'. What is sold beside it (LTSS, live patches) stays apart.
    """
    if not ecosystem.startswith(_IN_PARTS):
        return ecosystem
    family, _, rest = ecosystem.partition(":")
    if family == "Red Hat":
        return ecosystem.partition("::")[0]
    found = re.fullmatch(r"Linux Enterprise (?!Live Patching|Micro)(?:.* )?([0-9]+ SP[0-9]+)", rest)
    return f"SUSE:Linux Enterprise {found[1]}" if found else ecosystem


def _spans(affected: Any) -> Iterator[Span]:
    place = affected["package"]
    ecosystem, name = release_of(text_of(place["ecosystem"])), text_of(place["name"])
    key = key_of(ecosystem)
    span = partial(_span, ecosystem, name, key, _state(affected))
    ranges = [one for one in affected.get("ranges") or () if one.get("type") == "ECOSYSTEM"]
    for one in ranges:
        first: str | None = None
        for event in _in_order(one["events"], key):
            if "introduced" in event:
                if first is not None:
                    yield span(first, None, False)
                first = text_of(event["introduced"])
            elif first is not None and ("fixed" in event or "last_affected" in event):
                last = "last_affected" in event
                yield span(first, text_of(event["last_affected" if last else "fixed"]), last)
                first = None
        if first is not None:
            yield span(first, None, False)
    versions = () if ranges else affected.get("versions") or ()
    yield from (span(text_of(one), one, True) for one in versions)
    if not versions and not any("introduced" in event for one in ranges for event in one["events"]):
        # affected, and nothing says in which versions
        yield Span(ecosystem, name, b"", None, "", False, "incomparable")


def _in_order(events: Any, key: Order | None) -> Any:
    """Events by their versions, as the schema wants them read; as they stand where one has no place in the order."""
    if len(events) == 2 and "introduced" in events[0]:
        return events

    def place(event: Any) -> bytes:
        words = [event[one] for one in ("introduced", "fixed", "last_affected") if one in event]
        return b"" if key is None or not words or words[0] == "0" else key(text_of(words[0]))

    try:
        return sorted(events, key=place)
    except Unparsable:
        return events


def _state(affected: Any) -> State:
    """What the distribution itself holds of a flaw in a package."""
    urgency = ""
    for place in ("database_specific", "ecosystem_specific"):
        urgency = str((affected.get(place) or {}).get("urgency", urgency)).lower()
    if urgency == "end-of-life":
        return "unwatched"
    return "ignored" if urgency in {"unimportant", "ignored"} else "flaw"


def _span(
    ecosystem: str,
    name: str,
    key: Order | None,
    state: State,
    first: str,
    fixed: str | None,
    last: bool,
) -> Span:
    """A span with its keys; where a version has no place in the order, that is said and nothing is guessed."""
    try:
        if key is None:
            raise Unparsable(f"the order of versions of {ecosystem} is not known here")
        start = b"" if first == "0" else key(first)
        end = None if fixed is None else b"" if fixed == "0" and not last else key(fixed)
        return Span(ecosystem, name, start, end, fixed or "", last, state)
    except Unparsable:
        return Span(ecosystem, name, b"", None, (fixed or first)[:80], last, "incomparable")


@dataclass(frozen=True, slots=True)
class Exploited:
    """A flaw that is exploited now, since when it is on the list, and whether by extortionists."""

    cve: str
    added_at: datetime
    ransomware: bool


def kev(path: Path, limits: Limits) -> tuple[datetime, list[Exploited], list[Bad]]:
    """CISA's list: when it was released, and its entries. The count that it declares must be the one it has."""
    try:
        with path.open("rb") as opened:
            whole = read_json(bounded_read(opened, limits))
        released, entries = instant(whole["dateReleased"]), whole["vulnerabilities"]
        if whole["count"] != len(entries):
            raise FeedRefused(f"it declares {whole['count']} entries and has {len(entries)}")
    except AMISS as error:
        raise FeedRefused(f"{path.name}: not a list of exploited flaws ({error})") from error
    good: list[Exploited] = []
    bad: list[Bad] = []
    for number, entry in enumerate(entries):
        try:
            cve = text_of(entry["cveID"]).upper()
            if not CVE.fullmatch(cve):
                raise Unparsable(f"not a CVE: {cve[:40]!r}")
            ransomware = entry.get("knownRansomwareCampaignUse") == "Known"
            good.append(Exploited(cve, instant(entry["dateAdded"]), ransomware))
        except AMISS as error:
            bad.append(Bad(f"entry {number}", str(error)[:160]))
    return released, good, bad


def epss(path: Path, limits: Limits) -> tuple[datetime, str, Iterator[Scored | Bad]]:
    """EPSS scores (CSV, packed or not): their date, the model, and (CVE, chance, percentile) of each, line by line."""
    lines = _lines(path, limits)
    head, columns = next(lines, "").removeprefix("\ufeff"), next(lines, "")
    found = re.fullmatch(r"#model_version:([^,]+),score_date:(\S+)\s*", head)
    if not found or not columns.startswith("cve,epss,percentile"):
        raise FeedRefused(f"{path.name}: not a whole list of EPSS scores: {head[:60]!r}")
    try:
        return instant(found[2]), found[1], map(_scored, _at_most(lines, limits.max_records))
    except Unparsable as error:
        raise FeedRefused(f"{path.name}: not a whole list of EPSS scores ({error})") from error


def _at_most(lines: Iterator[str], most: int) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number >= most:
            raise FeedRefused(f"more than the {most} records allowed")
        yield line


def _lines(path: Path, limits: Limits) -> Iterator[str]:
    """The lines of a text, packed or not, each with its end. FeedRefused where one is cut, endless or no text."""
    most = min(limits.max_unpacked_bytes, max(LINE_BYTES, int(path.stat().st_size * limits.ratio)))
    left = most
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            opened = gzip.GzipFile(fileobj=raw) if packed else raw
            while line := opened.readline(LINE_BYTES):
                left -= len(line)
                if left < 0:
                    raise FeedRefused(f"{path.name}: it unpacks to more than the {most} bytes allowed")
                if not line.endswith(b"\n"):
                    raise FeedRefused(f"{path.name}: not a whole list of EPSS scores: it ends within a line")
                yield line.decode("utf-8")
    except (EOFError, OSError, zlib.error, UnicodeDecodeError) as error:
        raise FeedRefused(f"{path.name}: not a whole list of EPSS scores ({error})") from error


def _scored(line: str) -> Scored | Bad:
    # FIRST quotes nothing; a reader of CSV would fail as a whole at one stray sign
    row = line.rstrip("\r\n").split(",")
    try:
        cve, chance, percentile = row[0].upper(), float(row[1]), float(row[2])
        sound = all(math.isfinite(n) and 0 <= n <= 1 for n in (chance, percentile))
        if len(row) != 3 or not sound or not CVE.fullmatch(cve):
            raise ValueError("not CVE, chance 0..1, percentile 0..1")
        return cve, chance, percentile
    except (ValueError, IndexError) as error:
        return Bad(",".join(row)[:80], str(error)[:160])


@dataclass(frozen=True, slots=True)
class End:
    """When a release of a product ends. extended: when its extended support does. None where that is not decided."""

    product: str
    release: str
    day: date | None
    extended: date | None


def ends(path: Path, limits: Limits) -> tuple[datetime, list[End], list[Bad]]:
    """endoflife.date's list of all products (API v1, products/full). The total that it declares must be what it has."""
    try:
        with path.open("rb") as opened:
            whole = read_json(bounded_read(opened, limits))
        products = whole["result"]
        if whole["total"] != len(products):
            raise FeedRefused(f"it declares {whole['total']} products and has {len(products)}")
        made_at = instant(whole["generated_at"])
    except AMISS as error:
        raise FeedRefused(f"{path.name}: not a list of when releases end ({error})") from error
    good: list[End] = []
    bad: list[Bad] = []
    for number, product in enumerate(products):
        try:
            name = text_of(product["name"])
            for one in product["releases"]:
                days = [date.fromisoformat(one[key]) if one.get(key) else None for key in ("eolFrom", "eoesFrom")]
                good.append(End(name, text_of(one["name"]), *days))
        except AMISS as error:
            bad.append(Bad(f"product {number}", f"{type(error).__name__}: {str(error)[:160]}"))
    return made_at, good, bad


def bounded_read(opened: BinaryIO | gzip.GzipFile, limits: Limits) -> bytes:
    """All of it, or FeedRefused beyond the bytes of one record: JSON takes up to 25 times its length once read."""
    most = min(limits.max_unpacked_bytes, limits.max_record_bytes)
    content = opened.read(most + 1)
    if len(content) > most:
        raise FeedRefused(f"longer than {most} bytes")
    return content
