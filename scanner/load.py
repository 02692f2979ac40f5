"""YAML → values, with file and line in every complaint. The only module that knows PyYAML and the validator.

Our YAML is a quiet subset: only `true` and `false` are booleans and only plain decimal numbers are numbers, so `no`,
`on`, `0640` and `22:22` stay text; a key may stand only once; tags and merge keys (`<<`) are refused; depth, size and
the growth by aliases are bounded, so that no file can hang or fill the machine.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import os
import re
import stat
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
    return parse_document(_bytes_of(path), str(path))


def _bytes_of(path: Path) -> bytes:
    """What stands in a file that not everybody may write to; one byte more than is allowed where it is too long."""
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if mode & stat.S_IWOTH and stat.S_ISREG(mode):
                raise UsageError(f"{path}: anybody on this machine may change it; run: chmod o-w {path}")
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def read_text(path: Path) -> str:
    """A whole text of another form than YAML; a mark of UTF-8 at its head is left out. UsageError as for YAML."""
    return _text_of(_bytes_of(path), str(path)).removeprefix("\ufeff")


def read_shared(path: Path) -> LocatedDict:
    """As `read_document`, of a file that several others take in: parsed once while it stays; never to be changed."""
    return _parsed(_bytes_of(path), str(path))


@functools.lru_cache(maxsize=128)
def _parsed(data: bytes, name: str) -> LocatedDict:
    return parse_document(data, name)


def read_head(path: Path, key: str) -> LocatedDict:
    """What stands in a YAML file above the top-level `key`; all of it where the head alone cannot be understood."""
    data = _bytes_of(path)
    head = re.split(rb"(?m)^%b[ \t]*:" % re.escape(key.encode()), data, maxsplit=1)[0]
    try:
        found = parse_document(head, str(path))
    except UsageError:
        return parse_document(data, str(path))
    return found


def parse_document(data: bytes, name: str) -> LocatedDict:
    """As `read_document`, of bytes; `name` stands for the file in complaints."""
    text = _text_of(data, name)
    try:
        value = _Reader(name).read(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (name, mark.line + 1 if mark else 1)
        raise complain(place, f"not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{name}:1: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(value, LocatedDict):
        raise UsageError(f"{name}:1: a mapping (key: value) is expected at the top")
    return value


def _text_of(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name}:1: larger than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{name}:{line}: not UTF-8 text") from error


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KINDS = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
_KNOWN_TAGS = {None, "!", *(f"tag:yaml.org,2002:{name}" for name in _KINDS)}


@dataclasses.dataclass(slots=True)
class _Open:
    """A container that is being read. before: nodes of the document before it; height: of what stands in it so far."""

    value: LocatedDict | LocatedList
    anchor: str | None
    before: int
    key: str | None = None
    height: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class _Anchored:
    """What an alias stands for, and what it unfolds to."""

    value: Any
    nodes: int
    height: int


class _Reader:
    """Events of PyYAML → located values, in one pass and without recursion; counts what aliases unfold to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes = 0
        self.open: list[_Open] = []
        self.anchors: dict[str | None, _Anchored | None] = {}
        """None as long as what has the name is being read."""
        self.found: list[Any] = []

    def read(self, events: Iterator[yaml.Event]) -> Any:
        """The one value that the events are of. Raises UsageError where there is none, more than one, or too much."""
        for count, event in enumerate(events):
            place = (self.name, event.start_mark.line + 1 if event.start_mark else 1)
            if count > MAX_NODES or len(self.open) > MAX_DEPTH:
                raise complain(place, "nested too deep or too long to be meant")
            if isinstance(event, yaml.ScalarEvent):
                self._refuse_strange(event.tag, event.anchor, place)
                if event.anchor is not None:
                    self.anchors[event.anchor] = _Anchored(event, 1, 0)
                self._scalar(event, place)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._refuse_strange(event.tag, event.anchor, place)
                self._begin(event, place)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(str(event.anchor), place)
            elif isinstance(event, yaml.DocumentStartEvent) and self.found:
                raise complain(place, "not valid YAML: another document begins here")
        if not self.found:
            raise UsageError(f"{self.name}:1: the file is empty")
        return self.found[0]

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> None:
        holder = self.open[-1] if self.open else None
        if holder and holder.key is None and isinstance(holder.value, LocatedDict):
            self._key(event.value, holder, holder.value.places, place)
        else:
            self.nodes += 1
            self._put(_plain(event), place, 0)

    def _begin(self, event: yaml.CollectionStartEvent, place: Place) -> None:
        holder = self.open[-1] if self.open else None
        if holder and holder.key is None and isinstance(holder.value, LocatedDict):
            raise complain(place, "a key must be a plain text")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        kind = LocatedDict if isinstance(event, yaml.MappingStartEvent) else LocatedList
        self.open.append(_Open(kind(place), event.anchor, self.nodes))
        self.nodes += 1

    def _end(self) -> None:
        closed = self.open.pop()
        if closed.anchor is not None:
            self.anchors[closed.anchor] = _Anchored(closed.value, self.nodes - closed.before, closed.height + 1)
        self._put(closed.value, closed.value.place, closed.height + 1)

    def _alias(self, anchor: str, place: Place) -> None:
        if anchor not in self.anchors:
            raise complain(place, f"not valid YAML: nothing is called &{anchor} above *{anchor}")
        known = self.anchors[anchor]
        if known is None or self.nodes + known.nodes > MAX_NODES or len(self.open) + known.height > MAX_DEPTH:
            raise complain(place, "aliases unfold to more than can be meant")
        if isinstance(known.value, yaml.ScalarEvent):
            self._scalar(known.value, place)
            return
        if self.open and self.open[-1].key is None and isinstance(self.open[-1].value, LocatedDict):
            raise complain(place, "a key must be a plain text")
        self.nodes += known.nodes
        self._put(_again(known.value), place, known.height)

    def _refuse_strange(self, tag: str | None, anchor: str | None, place: Place) -> None:
        if tag not in _KNOWN_TAGS:
            raise complain(place, f"the tag {tag} is not supported")
        if anchor in self.anchors:
            raise complain(place, f"not valid YAML: something else is called &{anchor} already")

    def _key(self, key: str, holder: _Open, places: dict[str, Place], place: Place) -> None:
        if key == "<<":
            raise complain(place, "merge keys (<<) are not supported; use groups or extends")
        if key in places:
            raise complain(place, f"the key {key!r} stands here twice; first on line {places[key][1]}")
        holder.key = key
        places[key] = place

    def _put(self, value: Any, place: Place, height: int) -> None:
        """A value is whole: it goes into what holds it."""
        if not self.open:
            self.found.append(value)
            return
        holder = self.open[-1]
        holder.height = max(holder.height, height)
        if isinstance(holder.value, LocatedList):
            holder.value.append(value)
            holder.value.places.append(place)
        elif holder.key is not None:
            holder.value[holder.key] = value
            holder.key = None


def _again(value: Any) -> Any:
    """A copy that shares no container; as deep as MAX_DEPTH at the most."""
    if isinstance(value, LocatedList):
        items = LocatedList(value.place, [_again(item) for item in value])
        items.places = [*value.places]
        return items
    if isinstance(value, LocatedDict):
        entries = LocatedDict(value.place, {key: _again(item) for key, item in value.items()})
        entries.places = {**value.places}
        return entries
    return value


def _plain(event: yaml.ScalarEvent) -> Any:
    """A scalar as our quiet subset reads it."""
    text = str(event.value)
    if event.style in {"'", '"', "|", ">"}:
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
