"""`policy.yaml` and `gate.yaml`: what is written there replaces the defaults, key by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from . import load
from .load import LocatedDict, LocatedList, complain
from .scoring.policy import OutOfRange, Policy

T = TypeVar("T")


def read_policy(path: Path) -> Policy:
    """The risk policy of a file. Raises UsageError naming every mistake with file:line and a remedy."""
    return read_as(Policy, path, "the policy")


def read_as(kind: type[T], path: Path, label: str) -> T:
    """A file as one of our dataclasses; its `version: 1` may be left out."""
    document = load.read_document(path)
    version = document.pop("version", 1)
    if type(version) is not int or version != 1:
        raise complain(document.places["version"], f"{label}: version {version!r} is not known; this program knows 1")
    try:
        return load.validate(kind, document, label)
    except OutOfRange as error:
        raise complain(_place_of(document, error.where), str(error)) from None


def _place_of(document: LocatedDict, where: list[str]) -> load.Place:
    """The line of the deepest key, or place in a list, of `where` that is written."""
    place: load.Place = document.place
    value: Any = document
    for key in where:
        if isinstance(value, LocatedList):
            place, value = value.places[int(key)], value[int(key)]
            continue
        if not isinstance(value, LocatedDict) or key not in value:
            break
        place, value = value.places[key], value[key]
    return place


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file, for editors."""
    found = load.json_schema(Policy)
    found["properties"]["version"] = {"const": 1}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "Riskline policy"}
