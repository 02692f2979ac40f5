"""A run to CISO Assistant: its data wizard's files, one by one, and every field read back.

The wizard answers 200 and "failed 0" for values that it then drops, so nothing is believed but what is read back.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scanner.errors import PushError

from .defectdojo import LOOKS, refuse
from .wire import Doubtful, Wire

LABELS = ("Very Low", "Low", "Medium", "High", "Very High")
MATRIX = "critical_risk_matrix_5x5"
LISTS = {
    "Asset": "/api/assets/",
    "AppliedControl": "/api/applied-controls/",
    "FindingsAssessment": "/api/findings/",
    "RiskAssessment": "/api/risk-scenarios/",
    "SecurityException": "/api/security-exceptions/",
}
"""Model of the wizard → where its rows are read back."""
PARENTS = {
    "FindingsAssessment": ("/api/findings-assessments/", "findings_assessment"),
    "RiskAssessment": ("/api/risk-assessments/", "risk_assessment"),
}
"""Model whose rows belong to an assessment → where those are listed, and the rows' field that names theirs."""
OTHERWISE = {"PR": "primary", "SP": "support", "to_do": "to do"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where it goes, by name: a domain and a perimeter that are there, and the name of both assessments."""

    domain: str
    perimeter: str
    name: str = "Riskline"


def push(wire: Wire, place: Place, archive: bytes, say: Callable[[str], None]) -> str:
    """Send every file of the archive that the format `cisoassistant` writes; what stands there then, in a sentence."""
    ids = {
        "X-Folder-Id": _one(wire, "/api/folders/", place.domain, "domain"),
        "X-Perimeter-Id": _one(wire, "/api/perimeters/", place.perimeter, "perimeter"),
        "X-Matrix-Id": _matrix(wire),
    }
    counts = []
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for file in sorted(opened.namelist()):
            model, body = file[2:].removesuffix(".csv"), opened.read(file)
            rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
            if rows:
                _sent(wire, place, ids, model, file, body, rows, say)
                say(f"{model}: {len(rows)} rows stand there as sent")
            counts.append(f"{len(rows)} {model}")
    return f"{', '.join(counts)} stand in {place.domain}, read back field by field"


def _one(wire: Wire, path: str, name: str, what: str) -> str:
    found = [row for row in wire.rows(path, name=name) if row.get("name") == name]
    if len(found) != 1:
        raise PushError(f"CISO Assistant has {len(found)} of {what} {name!r}; there must be one: make or name another")
    return str(found[0]["id"])


def _matrix(wire: Wire) -> str:
    """The matrix whose labels are ours. Another one would take every row and rate none."""
    for row in wire.rows("/api/risk-matrices/"):
        if str(row.get("urn", "")).endswith(f":{MATRIX}"):
            levels = row.get("json_definition") or {}
            levels = json.loads(levels) if isinstance(levels, str) else levels
            for part in ("probability", "impact"):
                labels = tuple(level.get("name") for level in levels.get(part, ()))
                if labels != LABELS:
                    raise PushError(f"the matrix {MATRIX} there has other labels for {part}: {labels}")
            return str(row["id"])
    raise PushError(f"the matrix {MATRIX} is not loaded there; load it in the catalogue of libraries")


def _parent(wire: Wire, place: Place, model: str, folder: str) -> str | None:
    """The assessment of that name; None where there is none, or the model has none."""
    if model not in PARENTS:
        return None
    rows = wire.rows(PARENTS[model][0], name=place.name, folder=folder)
    found = [row for row in rows if row.get("name") == place.name and _id(row.get("folder")) == folder]
    if len(found) > 1:
        raise PushError(f"there are {len(found)} of {model} {place.name!r} in {place.domain}; keep one")
    return str(found[0]["id"]) if found else None


def _sent(
    wire: Wire,
    place: Place,
    ids: Mapping[str, str],
    model: str,
    file: str,
    body: bytes,
    rows: list[dict[str, str]],
    say: Callable[[str], None],
) -> None:
    """Send one file and read it back. Without an answer it is looked for, and never sent again by itself."""
    folder = ids["X-Folder-Id"]
    parent = _parent(wire, place, model, folder)
    headers = {
        **ids,
        "X-Model-Type": model,
        "X-Name": place.name,
        "X-On-Conflict": "update",
        **({"X-Target-Id": parent} if parent else {}),
        "Content-Type": "text/csv",
        "Content-Disposition": f'attachment; filename="{file}"',
    }
    try:
        wire.send("POST", "/api/data-wizard/load-file/", headers=headers, data=body)
    except Doubtful as error:
        say(f"{error}; looking what arrived")
        for _ in range(LOOKS):
            time.sleep(wire.pause_s)
            with contextlib.suppress(PushError):
                return _hold(wire, model, rows, _parent(wire, place, model, folder), folder)
        raise PushError(
            f"CISO Assistant gave no answer and does not have all of {file} yet; run the same command again"
        ) from error
    return _hold(wire, model, rows, _parent(wire, place, model, folder), folder)


def _hold(wire: Wire, model: str, rows: list[dict[str, str]], parent: str | None, folder: str) -> None:
    """Raise PushError where a row is missing, there twice, or differs in any field that was sent with a value."""
    filters = {PARENTS[model][1]: parent} if parent else {"folder": folder}
    there: dict[str, list[dict[str, Any]]] = {}
    for row in wire.rows(LISTS[model], **filters):
        if parent is None or _id(row.get(PARENTS[model][1])) == parent:
            there.setdefault(str(row.get("ref_id")), []).append(row)
    wrong = []
    for row in rows:
        found = there.get(row["ref_id"], [])
        if len(found) != 1:
            wrong.append(f"{model} {row['name']}: {'missing' if not found else f'there {len(found)} times'}")
            continue
        wrong += [
            f"{model} {row['name']}: {field} is {_said(found[0].get(field))}, sent {value!r}"
            for field, value in row.items()
            if value and not _same(value, found[0].get(field))
        ]
    refuse(wrong)


def _same(sent: str, read: Any) -> bool:
    """Whether a field says what was sent, in any of the ways in which their interface says it."""
    if isinstance(read, list):
        wanted = sent.split("\n")
        return len(wanted) == len(read) and all(any(_same(one, row) for row in read) for one in wanted)
    said, word = _word(read), _word(sent)
    # A related row of a domain may be told as "domain/name".
    return said in {word, _word(OTHERWISE.get(sent, sent))} or (isinstance(read, dict) and said.endswith(f"/{word}"))


def _word(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("name") or value.get("str") or value.get("ref_id")
    return " ".join(str("" if value is None else value).split()).casefold()


def _said(value: Any) -> str:
    return "empty" if value in (None, "", [], "--") else repr(value)[:100]


def _id(value: Any) -> str:
    return str(value.get("id")) if isinstance(value, dict) else str(value)
