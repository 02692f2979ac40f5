"""How an input is changed: documents by their structure, lines and words by what the seeds hold, all else by its bytes.

Random bytes hardly ever get past the first bracket of a JSON document; a document with one value swapped always does.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**400, 1e308, "", " ", "\n", "\x00", "no", "a\u202eb\x1b[2J", "9" * 40,
    "2026-13-45", [], {}, [[]], [{}], [None], {"": None}, [1, "a", None], {"x": {"y": [1]}},
)  # fmt: skip
"""What may stand where something else is expected."""
Mutate = Callable[[bytes, int], bytes]


def words_of(seeds: Iterable[bytes]) -> list[bytes]:
    """The words of the seeds, each once: what a reader looks for."""
    found = {word for seed in seeds for word in re.findall(rb"[A-Za-z_][\w.-]{2,30}|[^\w\s]{1,3}", seed)}
    return sorted(found)[:2000]


def mutator(words: list[bytes], head: int, between: bytes, by_bytes: Mutate) -> Callable[[bytes, int, int], bytes]:
    """A custom mutator for atheris. head: so many bytes stay. between: what separates the documents of one input."""

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)  # noqa: S311 - libFuzzer gives the seed, and nothing here is secret
        way = dice.randrange(4)
        if way == 0 or not data:
            return by_bytes(data, most)
        parts = data[head:].split(between)
        at = dice.randrange(len(parts))
        if way == 1:
            parts[at] = _other_line(parts[at], words, dice)
        else:
            parts[at] = _other_document(parts[at], dice) or _other_word(parts[at], words, dice)
        return (data[:head] + between.join(parts))[:most]

    return mutate


def _other_document(part: bytes, dice: random.Random) -> bytes:
    """The JSON document with one value swapped, dropped or doubled; b"" where it is none."""
    if part[:1] not in {b"{", b"["}:
        return b""
    try:
        document = json.loads(part)
        places = list(_places(document, 0))
        if not places:
            return b""
        holder, key = dice.choice(places)
        _change(holder, key, dice)
        return json.dumps(document).encode()
    except (ValueError, RecursionError):
        return b""


def _places(value: Any, depth: int) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        if depth < 30:
            yield from _places(value[key], depth + 1)


def _change(holder: Any, key: Any, dice: random.Random) -> None:
    way = dice.randrange(5)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.append(holder[key])
    elif way == 1:
        holder[f"{key}x"] = holder.pop(key)
    elif way == 2 and isinstance(holder[key], str | list):
        holder[key] = holder[key] * 2 if len(holder[key]) < 1000 else holder[key][:1]
    elif way == 3:
        holder[key] = dice.choice([[holder[key]], {"x": holder[key]}, str(holder[key])[:1000]])
    else:
        holder[key] = dice.choice(ODD)


def _other_line(part: bytes, words: list[bytes], dice: random.Random) -> bytes:
    """The text with a line dropped, doubled, moved, cut, or made of words that the reader knows."""
    lines = part.split(b"\n")
    at = dice.randrange(len(lines))
    way = dice.randrange(5)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines.insert(at, lines[dice.randrange(len(lines))])
    elif way == 2:
        lines.insert(dice.randrange(len(lines)), lines.pop(at))
    elif way == 3:
        lines[at] = lines[at][: dice.randrange(len(lines[at]) + 1)]
    else:
        lines.insert(at, dice.choice([b" ", b"\t", b"=", b":", b","]).join(dice.choices(words or [b"x"], k=3)))
    return b"\n".join(lines)


def _other_word(part: bytes, words: list[bytes], dice: random.Random) -> bytes:
    """The text with one of its words dropped, doubled, or swapped for one that the reader knows."""
    found = list(re.finditer(rb"\S+", part[:4096]))
    if not found:
        return dice.choice(words or [b"x"])
    one = dice.choice(found)
    other = dice.choice([b"", one[0] + b" " + one[0], one[0][:-1], *(dice.choices(words, k=4) if words else [])])
    return part[: one.start()] + other + part[one.end() :]
