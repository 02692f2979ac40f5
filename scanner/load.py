"""YAML → values, with file and line in every complaint. The only module that knows PyYAML and the validator.

Our YAML is a quiet subset: only `true` and `false` are booleans and only plain decimal numbers are numbers, so `no`,
`on`, `0640` and `22:22` stay text; a key may stand only once; tags and merge keys (`<<`) are refused; depth, size and
the growth by aliases are bounded, so that no file can hang or fill the machine.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from .errors import UsageError

T = TypeVar("T")
MAX_BYTES = 16 << 20
MAX_DEPTH = 40
MAX_NODES = 500_000
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?\Z")
Place = tuple[str, int]


class WrittenFloat(float):
    """A decimal number that remembers how it was written: 5.10 stays '5.10' where a text was meant."""

    text: str


class LocatedDict(dict[str, Any]):
    """A mapping that knows where each of its keys was written."""

    def __init__(self, place: Place, entries: Mapping[str, Any] | None = None) -> None:
        super().__init__(entries or {})
        self.place = place
        self.places: dict[str, Place] = {}


class LocatedList(list[Any]):
    """A list that knows where each of its items was written."""

    def __init__(self, place: Place, items: Sequence[Any] = ()) -> None:
        super().__init__(items)
        self.place = place
        self.places: list[Place] = []


def complain(place: Place, message: str) -> UsageError:
    """The error for something wrong at a place: 'inventory.yaml:14: …'."""
    return UsageError(f"{place[0]}:{place[1]}: {message}")


def read_document(path: Path) -> LocatedDict:
    """The mapping that a YAML file holds. Raises UsageError with file:line for whatever is wrong with it."""
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    return parse_document(data, str(path))


def read_head(path: Path, key: str) -> LocatedDict:
    """What stands in a YAML file above the top-level `key`; all of it where the head alone cannot be understood."""
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    head = re.split(rb"(?m)^%b[ \t]*:" % re.escape(key.encode()), data, maxsplit=1)[0]
    try:
        found = parse_document(head, str(path))
    except UsageError:
        return parse_document(data, str(path))
    return found


def parse_document(data: bytes, name: str) -> LocatedDict:
    """As `read_document`, of bytes; `name` stands for the file in complaints."""
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name}:1: larger than {MAX_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{name}:{line}: not UTF-8 text") from error
    try:
        _refuse_excess(text, name)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (name, mark.line + 1 if mark else 1)
        raise complain(place, f"not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{name}:1: not valid YAML: {str(error).splitlines()[0]}") from error
    if node is None:
        raise UsageError(f"{name}:1: the file is empty")
    value = _Builder(name).build(node)
    if not isinstance(value, LocatedDict):
        raise UsageError(f"{name}:1: a mapping (key: value) is expected at the top")
    return value


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refuse_excess(text: str, name: str) -> None:
    """Stream through the events first: the composer recurses, so depth must be known before."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise complain((name, line), "nested too deep or too long to be meant")


class _Builder:
    """Nodes → located values; counts what aliases unfold to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes = 0

    def build(self, node: yaml.Node, depth: int = 0) -> Any:
        self.nodes += 1
        place = (self.name, node.start_mark.line + 1)
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise complain(place, "aliases unfold to more than can be meant")
        if node.tag not in _KNOWN_TAGS:
            raise complain(place, f"the tag {node.tag} is not supported")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, depth)
        if isinstance(node, yaml.SequenceNode):
            items = LocatedList(place)
            for item in node.value:
                items.append(self.build(item, depth + 1))
                items.places.append((self.name, item.start_mark.line + 1))
            return items
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place, depth: int) -> LocatedDict:
        entries = LocatedDict(place)
        for key_node, value_node in node.value:
            at = (self.name, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise complain(at, "a key must be a plain text")
            key = str(key_node.value)
            if key == "<<":
                raise complain(at, "merge keys (<<) are not supported; use groups or extends")
            if key in entries:
                raise complain(at, f"the key {key!r} stands here twice; first on line {entries.places[key][1]}")
            entries[key] = self.build(value_node, depth + 1)
            entries.places[key] = at
        return entries

    def _scalar(self, node: yaml.Node) -> Any:
        text = str(node.value)
        if getattr(node, "style", None) in {"'", '"', "|", ">"}:
            return text
        if text in {"", "~", "null"}:
            return None
        if text in {"true", "false"}:
            return text == "true"
        if _INT.match(text) and len(text) < 19:
            return int(text)
        if _FLOAT.match(text) and len(text) < 32:
            number = WrittenFloat(text)
            number.text = text
            return number
        return text


_KINDS = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
_KNOWN_TAGS = {"!", *(f"tag:yaml.org,2002:{name}" for name in _KINDS)}


# ── validation ───────────────────────────────────────────────────────────────────────────────────────────────────────


def validate(kind: type[T], value: LocatedDict, label: str) -> T:
    """The value as the dataclass `kind`. Raises UsageError listing every mistake with file:line and a remedy."""
    try:
        return cast(T, _adapter(kind).validate_json(json.dumps(value), strict=True))
    except ValidationError as error:
        lines = dict.fromkeys(_mistake(kind, value, label, item) for item in error.errors(include_url=False))
        raise UsageError("\n".join(lines)) from None


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a dataclass of the model, as the validator itself reads it."""
    return _adapter(kind).json_schema(ref_template="#/$defs/{model}")


def _mistake(kind: Any, value: LocatedDict, label: str, item: Any) -> str:
    location = [part for part in item["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    place, path = _locate(value, location)
    name = ".".join(map(str, path))
    if item["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        known = fields_at(kind, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return f"{place[0]}:{place[1]}: {label}: there is no key {location[-1]!r}; {hint}"
    if item["type"] in {"missing", "missing_argument"}:
        return f"{place[0]}:{place[1]}: {label} has no {'.'.join(map(str, location))!r}; add it"
    message = item["msg"][0].lower() + item["msg"][1:]
    shown = item["input"] if isinstance(item["input"], str | int | float | bool) else type(item["input"]).__name__
    return f"{place[0]}:{place[1]}: {label}: {name}: {message}, not {str(shown)[:80]!r}"


def _locate(value: Any, location: Sequence[str | int]) -> tuple[Place, list[str | int]]:
    """The place of the deepest written part of `location`, and the path as far as it is written."""
    place: Place = value.place
    path: list[str | int] = []
    for part in location:
        if isinstance(value, LocatedDict) and part in value:
            place = value.places.get(str(part), value.place)
            value = value[str(part)]
        elif isinstance(value, LocatedList) and isinstance(part, int) and part < len(value):
            place = value.places[part] if part < len(value.places) else value.place
            value = value[part]
        else:
            continue
        path.append(part)
    return place, path


def fields_at(kind: Any, location: Sequence[str | int]) -> list[str]:
    """Names of the fields that the dataclass found at `location` inside `kind` may have."""
    for part in location:
        kind = _inside(kind, part)
    names: list[str] = []
    for found in _alternatives(kind):
        if dataclasses.is_dataclass(found):
            names += [field.name for field in dataclasses.fields(found)]
    return names


def _inside(kind: Any, part: str | int) -> Any:
    for found in _alternatives(kind):
        if dataclasses.is_dataclass(found) and isinstance(found, type):
            hints = typing.get_type_hints(found)
            if part in hints:
                return hints[str(part)]
        arguments = typing.get_args(found)
        if isinstance(part, int) and arguments:
            return arguments[0]
        if arguments and typing.get_origin(found) is not None and len(arguments) == 2:
            return arguments[1]
    return type(None)


def _alternatives(kind: Any) -> Iterator[Any]:
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        yield from typing.get_args(kind)
    else:
        yield kind


# ── values that several documents share ──────────────────────────────────────────────────────────────────────────────


def written(value: Any) -> Any:
    """A scalar as the text it was written as, where a text is meant: 5.10 -> '5.10', 7 -> '7'."""
    if isinstance(value, WrittenFloat):
        return value.text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def as_list(value: Any, place: Place) -> LocatedList:
    """A single value where a list is meant: 'web' -> ['web']."""
    if isinstance(value, LocatedList):
        return value
    one = LocatedList(place, [value])
    one.places.append(place)
    return one


def merge(under: Mapping[str, Any], over: LocatedDict) -> LocatedDict:
    """Two mappings, nested ones merged key by key, everything else replaced; places are kept."""
    merged = LocatedDict(over.place, dict(under))
    merged.places = {**getattr(under, "places", {}), **over.places}
    for key, value in over.items():
        base = merged.get(key)
        merged[key] = merge(base, value) if isinstance(base, LocatedDict) and isinstance(value, LocatedDict) else value
    return merged
