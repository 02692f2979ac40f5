"""What people attested: a reviewed YAML file beside the inventory, read as the answers to `manual` controls.

    attestations:
      - {asset: acme, control: ORG-04, answer: yes, who: Jane Doe, at: 2026-10-02, until: 2027-04-01,
         evidence: restore-test.pdf, sha256: 9f86d0…}

The latest answer counts; one about the asset itself goes before one about every asset ("*").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from scanner import load
from scanner.errors import UsageError
from scanner.load import LocatedDict, LocatedList, complain
from scanner.model import Asset, Attestation, Probe, Reply

from . import Bounds

LONGEST = timedelta(days=400)
"""An answer has to be given anew at least about once a year."""


def visit(asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
    """What was attested for this asset. A mistake in the file makes every answer `failed`, with file and line."""
    if asset.attestations is None:
        none = "nobody has attested anything yet: see `riskline attest --help`"
        return {probe: Reply(problem="absent", detail=none) for probe in probes}
    file = Path(asset.attestations)
    try:
        known = _read(file, file.stat().st_mtime_ns)
    except OSError as error:
        return {probe: Reply(problem="failed", detail=f"{file}: {error.strerror}") for probe in probes}
    except UsageError as error:
        return {probe: Reply(problem="failed", detail=str(error)) for probe in probes}
    return {probe: _reply(asset, str(probe.ask[1]), known, file.parent, bounds) for probe in probes}


def read_attestations(file: Path) -> tuple[Attestation, ...]:
    """All attestations of a file. Raises UsageError naming every mistake with file:line."""
    document = load.read_document(file)
    entries = document.get("attestations")
    if set(document) - {"attestations"} or not isinstance(entries, LocatedList | None):
        raise complain(document.place, "the file holds one list, `attestations`")
    mistakes, found = [], []
    for entry, place in zip(entries or (), getattr(entries, "places", ()), strict=False):
        try:
            if not isinstance(entry, LocatedDict):
                raise complain(place, "an attestation is a mapping: asset, control, answer, who, at, until")
            found.append(_sound(load.validate(Attestation, entry, "attestation"), place))
        except UsageError as error:
            mistakes.append(str(error))
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return tuple(found)


def _sound(said: Attestation, place: load.Place) -> Attestation:
    try:
        at, until = date.fromisoformat(said.at), date.fromisoformat(said.until)
    except ValueError as error:
        raise complain(place, f"attestation of {said.control}: dates are written YYYY-MM-DD ({error})") from None
    if not at <= until <= at + LONGEST:
        raise complain(place, f"attestation of {said.control}: `until` lies within {LONGEST.days} days after `at`")
    if not said.who.strip():
        raise complain(place, f"attestation of {said.control}: say `who` attests it")
    return said


@lru_cache(maxsize=16)
def _read(file: Path, _: int) -> tuple[Attestation, ...]:
    return read_attestations(file)


def _reply(asset: Asset, control: str, known: Sequence[Attestation], folder: Path, bounds: Bounds) -> Reply:
    about = [said for said in known if said.control == control and said.asset in {asset.id, "*"}]
    if not about:
        return Reply(problem="absent", detail=f"nobody has attested {control} for {asset.id}")
    latest = max(about, key=lambda said: (said.asset != "*", said.at))
    if latest.sha256:
        try:
            digest = _digest(folder / latest.evidence, bounds.max_bytes)
        except OSError as error:
            return Reply(problem="failed", detail=f"the evidence {latest.evidence}: {error.strerror}")
        if digest != latest.sha256.lower():
            return Reply(problem="failed", detail=f"the evidence {latest.evidence} is not the file that was attested")
    return Reply(json.dumps(asdict(latest)))


def _digest(file: Path, max_bytes: int) -> str:
    if not file.is_file() or file.stat().st_size > max_bytes:
        raise FileNotFoundError(2, "no such file, or too large")
    return hashlib.sha256(file.read_bytes()).hexdigest()
