"""Baseline files: `extends` and `parameters` resolved, every control held against its checks before anything runs.

A part (baselines/parts/…) has only parameters and controls. A control that stands in the extending file under the id
of an inherited one changes just the lines it has; `without: [ID, …]` leaves inherited controls out. `{parameter: NAME}`
inside `given` or `expect` is replaced by that parameter's value.

`answers: {cis: {"1.1.1.1": [ID, …]}}` says which controls answer which requirement of a catalogue that numbers its
requirements anew for each platform; the numbers become `references.cis` of those controls.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from . import checking, compare, load, probes, views
from .catalogue import Catalogue, returns
from .errors import UsageError
from .load import LocatedDict, LocatedList, complain
from .model import AppliesTo, Baseline, Control, Term

_TOP = (
    "id",
    "version",
    "title",
    "applies_to",
    "extends",
    "parameters",
    "without",
    "controls",
    "answers",
    "description",
)


def read_baseline(path: Path, catalogue: Catalogue) -> Baseline:
    """The baseline of a file, complete. Raises UsageError naming every mistake with file:line and a remedy."""
    document = load.read_document(path)
    parameters, controls = _gather(document, path, catalogue, (), {})
    for key in ("id", "version", "title", "applies_to"):
        if key not in document:
            raise complain(document.place, f"the baseline has no {key!r}; add it")
        kind, name = (LocatedDict, "a mapping") if key == "applies_to" else (str, "a text")
        if not isinstance(load.written(document[key]), kind):
            raise complain(document.places[key], f"{key!r} must be {name}")
    applies = load.validate(AppliesTo, _normal_terms(document["applies_to"]), "applies_to")
    mistakes: list[str] = []
    found = []
    for entry in controls.values():
        try:
            found.append(_control(entry, parameters, catalogue))
        except UsageError as error:
            mistakes.append(str(error))
    try:
        for term in applies.when:
            refuse_unsound(term, catalogue)
    except UsageError as error:
        mistakes.append(str(complain(document.places["applies_to"], f"applies_to: {error}")))
    mistakes += _contradictions(found, controls)
    if not controls:
        mistakes.append(str(complain(document.place, "the baseline has no control, so nothing would ever fail")))
    if mistakes:
        raise UsageError("\n".join(mistakes))
    baseline = Baseline(
        str(load.written(document["id"])),
        str(load.written(document["version"])),
        str(document["title"]),
        applies,
        tuple(found),
        {name: value for name, (value, _) in parameters.items()},
    )
    canonical = json.dumps(baseline, sort_keys=True, default=_plain)
    return replace(baseline, digest=hashlib.sha256(canonical.encode()).hexdigest())


def _plain(value: Any) -> Any:
    """What the digest is taken of: the fields of a dataclass; everything else that JSON does not know as a list."""
    return {field.name: getattr(value, field.name) for field in fields(value)} if is_dataclass(value) else list(value)


Parameters = dict[str, tuple[Any, load.Place]]
Gathered = tuple[Parameters, dict[str, LocatedDict]]
MAX_EXTENDS = 20
"""So many files may stand one above the other."""


def _gather(
    document: LocatedDict, path: Path, catalogue: Catalogue, above: tuple[Path, ...], known: dict[Path, Gathered]
) -> Gathered:
    """Parameters and controls by id of a file and all it extends; what stands nearer to the top file wins.

    known: the files that were gathered so far; each is once, however many extend it.
    """
    _refuse_unknown(document)
    parameters: Parameters = {}
    controls: dict[str, LocatedDict] = {}
    for name, place in _texts(document, "extends"):
        file = _extended(name, path, place, catalogue)
        here, there = path.resolve(), file.resolve()
        if there in (*above, here):
            raise complain(place, f"{name!r} extends itself in a circle")
        if len(above) >= MAX_EXTENDS:
            raise complain(place, f"{name!r} is extended through more than {MAX_EXTENDS} files")
        if there not in known:
            known[there] = _gather(load.read_shared(file), file, catalogue, (*above, here), known)
        more, inherited = known[there]
        parameters |= more
        for id, entry in inherited.items():
            if id in controls:
                raise complain(place, f"the control {id} is inherited twice; rename one or drop it with `without`")
            controls[id] = entry
    for id, place in _texts(document, "without"):
        if controls.pop(id, None) is None:
            raise complain(place, f"`without`: no inherited control is called {id!r}")
    _set_parameters(document, parameters)
    for entry in _entries(document):
        id = str(entry["id"])
        controls[id] = load.merge(controls[id], entry) if id in controls else entry
    for framework, number, id, place in _answers(document):
        if id not in controls:
            close = difflib.get_close_matches(id, controls, n=1)
            raise complain(place, f"`answers`: no control is called {id!r}" + (f"; {close[0]!r}?" if close else ""))
        controls[id] = _referring(controls[id], framework, number)
    return parameters, controls


def _answers(document: LocatedDict) -> Iterator[tuple[str, str, str, load.Place]]:
    """(framework, requirement, control, place) for each control that `answers` names."""
    for framework, place, numbers in _mappings(document, "answers", document.place):
        if not isinstance(numbers, LocatedDict):
            raise complain(place, f"`answers: {framework}` must be a mapping from a requirement to its controls")
        for number in numbers:
            for id, where in _texts(numbers, number):
                yield framework, number, id, where


def _mappings(document: LocatedDict, key: str, place: load.Place) -> list[tuple[str, load.Place, Any]]:
    section = document.get(key) or LocatedDict(place)
    if not isinstance(section, LocatedDict):
        raise complain(document.places[key], f"`{key}` must be a mapping")
    return [(name, section.places[name], value) for name, value in section.items()]


def _referring(entry: LocatedDict, framework: str, number: str) -> LocatedDict:
    """The entry with one more reference; the part's own document stays as it is."""
    place = entry.place
    references = entry.get("references") or LocatedDict(place)
    if not isinstance(references, LocatedDict):
        raise complain(entry.places["references"], "`references` must be a mapping")
    before = load.as_list(references[framework], place) if framework in references else LocatedList(place)
    numbers = LocatedList(place, [*before, number])
    numbers.places = [place] * len(numbers)
    added = LocatedDict(place, {framework: numbers})
    added.places[framework] = place
    whole = LocatedDict(place, {"references": added})
    whole.places["references"] = place
    return load.merge(entry, whole)


def _set_parameters(document: LocatedDict, parameters: Parameters) -> None:
    for name, place, value in _mappings(document, "parameters", document.place):
        parameters[name] = (value, place)


def _entries(document: LocatedDict) -> Iterator[LocatedDict]:
    entries = document.get("controls") or LocatedList(document.place)
    if not isinstance(entries, LocatedList):
        raise complain(document.places["controls"], "`controls` must be a list")
    seen: dict[str, load.Place] = {}
    for entry, place in zip(entries, entries.places, strict=False):
        if not isinstance(entry, LocatedDict) or not isinstance(entry.get("id"), str):
            raise complain(place, "a control needs an `id`")
        if entry["id"] in seen:
            raise complain(place, f"the control {entry['id']} stands here twice; first on line {seen[entry['id']][1]}")
        seen[entry["id"]] = place
        yield entry


def _refuse_unknown(document: LocatedDict) -> None:
    for key in document:
        if key not in _TOP:
            close = difflib.get_close_matches(key, _TOP, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(_TOP)}"
            raise complain(document.places[key], f"there is no key {key!r}; {hint}")


def _texts(document: LocatedDict, key: str) -> list[tuple[str, load.Place]]:
    if document.get(key) is None:
        return []
    items = load.as_list(document[key], document.places[key])
    return [(str(item), place) for item, place in zip(items, items.places, strict=True)]


def _extended(name: str, path: Path, place: load.Place, catalogue: Catalogue) -> Path:
    beside = path.parent / name
    if name.endswith((".yaml", ".yml")) and beside.is_file():
        return beside
    for file in catalogue.baseline_files().values():
        if file.stem == name or (name.startswith("parts/") and (file.parent / name).is_file()):
            return file if file.stem == name else file.parent / name
    raise complain(place, f"there is no baseline or part {name!r} to extend")


def _control(entry: LocatedDict, parameters: Parameters, catalogue: Catalogue) -> Control:
    label = f"control {entry['id']}"
    normal = _normal_terms(_fill(entry, parameters, label))
    references = normal.get("references")
    if isinstance(references, LocatedDict):
        for key, value in references.items():
            items = load.as_list(value, references.places[key])
            references[key] = LocatedList(items.place, [load.written(item) for item in items])
    if normal.get("levels") is not None:
        normal["levels"] = load.as_list(normal["levels"], normal.places["levels"])
    control = load.validate(Control, normal, label)
    try:
        _refuse_unclear(control)
        control = views.narrowed(control, catalogue)
        for term in (*control.terms, *control.when):
            refuse_unsound(term, catalogue)
    except UsageError as error:
        raise complain(entry.places["id"], f"{label}: {error}") from None
    return control


def _normal_terms(entry: Any) -> LocatedDict:
    """Single terms where lists are meant."""
    normal = load.merge(LocatedDict(entry.place), entry)
    for key in ("all", "any", "when"):
        if isinstance(normal.get(key), LocatedDict):
            normal[key] = load.as_list(normal[key], normal.places[key])
    return normal


def _fill(value: Any, parameters: Parameters, label: str) -> Any:
    """`{parameter: NAME}` replaced, everywhere below `value`; the result shares no container with the file's."""
    if isinstance(value, LocatedList):
        filled = LocatedList(value.place, [_fill(item, parameters, label) for item in value])
        filled.places = value.places
        return filled
    if not isinstance(value, LocatedDict):
        return value
    if set(value) == {"parameter"}:
        name = str(value["parameter"])
        if name not in parameters:
            close = difflib.get_close_matches(name, parameters, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "declare it under `parameters`"
            raise complain(value.place, f"{label}: there is no parameter {name!r}; {hint}")
        return parameters[name][0]
    new = LocatedDict(value.place, {key: _fill(item, parameters, label) for key, item in value.items()})
    new.places = value.places
    return new


def _refuse_unclear(control: Control) -> None:
    written = [bool(control.check), bool(control.all), bool(control.any), bool(control.manual)]
    if sum(written) != 1:
        raise UsageError("say what is judged once: `check` with `expect`, or `all`, or `any`, or `manual`")
    for name in ("title", "why", "fix"):
        if not getattr(control, name).strip():
            raise UsageError(f"`{name}` is empty")


def _contradictions(found: Iterable[Control], written: Mapping[str, LocatedDict]) -> Iterator[str]:
    """What two controls want of the same thing so that one of them must fail."""
    asked: dict[tuple[str, str], list[Control]] = {}
    for control in found:
        if not control.check or control.when:
            continue  # several terms may do together what none does alone; a condition may tell the two apart
        same = asked.setdefault((control.check, json.dumps(control.given, sort_keys=True, default=str)), [])
        for other in same:
            both = compare.contradiction(other.expect, control.expect)
            if both:
                place = written[control.id].places["id"]
                said = f"control {control.id} contradicts {other.id}: nothing can be {both}; keep one, see `without`"
                yield str(complain(place, said))
        same.append(control)


def refuse_unsound(term: Term, catalogue: Catalogue) -> None:
    """Raise UsageError where a term could not be judged: no such check, wrong `given`, unsuitable `expect`."""
    check = catalogue.check(term.check)
    known = checking.parameters(check)
    for name in term.given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(known) or 'none'}"
            raise UsageError(f"{term.check} takes no {name!r}; {hint}")
    for name, required in known.items():
        if required and name not in term.given:
            raise UsageError(f"{term.check} needs `given: {{{name}: …}}`")
    for fact in check.facts:
        probes.bind(fact.probe, term.given)
    compare.refuse_unsuitable(term.expect, returns(check)[0])


def baseline_schema() -> dict[str, Any]:
    """The JSON Schema of a baseline file or part, for editors."""
    control: dict[str, Any] = load.json_schema(Control)
    definitions: Mapping[str, Any] = control.pop("$defs", {})
    text_or_list = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    control["properties"]["references"] = {
        "type": "object",
        "additionalProperties": {
            "anyOf": [{"type": ["string", "number"]}, {"type": "array", "items": {"type": ["string", "number"]}}]
        },
    }
    control["properties"]["levels"] = text_or_list
    control["required"] = ["id"]
    applies = load.json_schema(AppliesTo)
    applies.pop("$defs", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Riskline baseline or part",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string"},
            "version": {"type": ["string", "number"]},
            "title": {"type": "string"},
            "description": {"type": "string"},
            "applies_to": applies,
            "extends": text_or_list,
            "without": text_or_list,
            "parameters": {"type": "object"},
            "controls": {"type": "array", "items": control},
            "answers": {
                "type": "object",
                "additionalProperties": {"type": "object", "additionalProperties": text_or_list},
            },
        },
        "$defs": {**definitions, "Term": load.json_schema(Term)},
    }
