"""The closed set of `expect` words: how an observed value is held against what is good.

`expect: {at_least: 14}` has one word; with several words, all must hold. Each word says which observed types it can
judge, so that a baseline's mistake is found before the first connection. Numbers written as text ("14") are compared
as numbers by the numeric words, since configuration files know only text; text that is no number does not meet them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import patterns
from .errors import UsageError
from .model import Unwritten


def _number(value: object) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value).strip())
    except ValueError:
        return None


def _same(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return sorted(map(str, left)) == sorted(map(str, right))
    if isinstance(left, str) != isinstance(right, str):
        a, b = _number(left), _number(right)
        return a is not None and a == b
    return left == right


def _values(observed: object) -> list[Any]:
    return list(observed) if isinstance(observed, list | tuple) else [observed]


def _numeric(test: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def judge(observed: Any, wanted: Any) -> bool:
        left, right = _number(observed), _number(wanted)
        return left is not None and right is not None and test(left, right)

    return judge


def _matches(observed: Any, pattern: Any) -> bool:
    return observed is not None and patterns.matches(str(pattern), str(observed))


def _mode(observed: Any, wanted: Any) -> bool:
    """No permission bit beyond `wanted` ("0640"): 0600 meets 0640, 0644 does not."""
    left, right = _octal(observed), _octal(wanted)
    return left is not None and right is not None and left & ~right == 0


def _octal(value: object) -> int | None:
    try:
        return int(str(value), 8)
    except ValueError:
        return None


def _version(value: object) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(value)))


_SCALARS: tuple[type, ...] = (str, int, float, bool, type(None))
_ANY: tuple[type, ...] = (*_SCALARS, list)
WORDS: Mapping[str, tuple[Callable[[Any, Any], bool], tuple[type, ...], tuple[type, ...]]] = {
    # word: (observed, wanted) -> met; types of `observed` it can judge; types of `wanted`
    "equals": (_same, _ANY, _ANY),
    "not_equals": (lambda o, w: not _same(o, w), _ANY, _ANY),
    "one_of": (lambda o, w: any(_same(o, x) for x in w), _SCALARS, (list,)),
    "none_of": (lambda o, w: not any(_same(x, y) for x in _values(o) for y in w), _ANY, (list,)),
    "at_least": (_numeric(lambda o, w: o >= w), (int, float, str, type(None)), (int, float)),
    "at_most": (_numeric(lambda o, w: o <= w), (int, float, str, type(None)), (int, float)),
    "matches": (_matches, (str, int, float, type(None)), (str,)),
    "not_matches": (lambda o, w: not _matches(o, w), (str, int, float, type(None)), (str,)),
    "contains": (lambda o, w: any(_same(x, w) for x in _values(o)), (list,), _SCALARS),
    "contains_all": (lambda o, w: all(any(_same(x, y) for x in _values(o)) for y in w), (list,), (list,)),
    "subset_of": (lambda o, w: all(any(_same(x, y) for y in w) for x in _values(o)), (list,), (list,)),
    "empty": (lambda o, w: (not o) is w, (str, list, type(None)), (bool,)),
    "mode_at_most": (_mode, (str,), (str,)),
    "version_at_least": (lambda o, w: o is not None and _version(o) >= _version(w), (str, type(None)), (str,)),
}

PHRASES: Mapping[str, str] = {
    "equals": "{}",
    "not_equals": "anything but {}",
    "one_of": "one of {}",
    "none_of": "none of {}",
    "at_least": "at least {}",
    "at_most": "at most {}",
    "matches": "text that matches {}",
    "not_matches": "text that does not match {}",
    "contains": "a list with {}",
    "contains_all": "a list with all of {}",
    "subset_of": "nothing beyond {}",
    "empty": "{}",
    "mode_at_most": "mode {} or stricter",
    "version_at_least": "version {} or later",
}


def met(observed: object, expect: Mapping[str, Any]) -> bool:
    """Whether the observed value meets every word of `expect`."""
    return all(WORDS[word][0](observed, wanted) for word, wanted in expect.items())


def phrase(expect: Mapping[str, Any]) -> str:
    """`expect` for people: {'at_least': 14} -> 'at least 14'."""
    return " and ".join(PHRASES[word].format(_wanted(word, wanted)) for word, wanted in expect.items())


def _wanted(word: str, wanted: object) -> str:
    if word == "empty":
        return "none" if wanted else "at least one"
    return shown(wanted)


def shown(value: object, limit: int = 500) -> str:
    """A value for people, at most `limit` characters: ['a', 'b'] -> 'a, b'; True -> 'yes'; [] -> 'none'."""
    if value is None or isinstance(value, Unwritten):
        text = "not set"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, Mapping):
        text = ", ".join(f"{key}: {shown(entry)}" for key, entry in value.items()) or "none"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        text = ", ".join(shown(entry) for entry in value) or "none"
    else:
        text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def refuse_unsuitable(expect: Mapping[str, Any], observed: tuple[type, ...]) -> None:
    """Raise UsageError where a word is unknown, takes another type, or cannot judge what the check returns."""
    if not expect:
        raise UsageError("`expect` is empty; say what is good, such as {equals: yes}")
    for word, wanted in expect.items():
        if word not in WORDS:
            raise UsageError(f"`expect` has no word {word!r}; the words are {', '.join(WORDS)}")
        _, judges, takes = WORDS[word]
        if type(wanted) not in takes:
            raise UsageError(f"`{word}` takes {_names(takes)}, not {type(wanted).__name__}")
        if observed and not set(observed) & set(judges):
            raise UsageError(f"`{word}` cannot judge {_names(observed)}; it judges {_names(judges)}")
        if word in {"matches", "not_matches"}:
            patterns.refuse_runaway(str(wanted))
        if word == "one_of" and not wanted:
            raise UsageError("`one_of` has no value in its list; nothing would ever meet it")
    both = contradiction(expect, expect)
    if both:
        raise UsageError(f"nothing can be {both}; the words of one `expect` must all hold")


def contradiction(expect: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Two words of two expectations that no value can meet together, as 'at_least 14 and at_most 8'; "" where none."""
    for one, more in ((expect, other), (other, expect)):
        for word, wanted in one.items():
            for against, limit in more.items():
                if _exclude(word, wanted, against, limit):
                    return f"{word} {shown(wanted)} and {against} {shown(limit)}"
    return ""


def _exclude(word: str, wanted: Any, against: str, limit: Any) -> bool:
    """Whether what meets the first word cannot meet the second, as far as the words alone tell."""
    second = {against: limit}
    if word == "equals":
        return not met(wanted, second)
    if word == "one_of":
        return not any(met(value, second) for value in wanted)
    if word in {"contains", "contains_all"}:
        values = wanted if word == "contains_all" else [wanted]
        if against in {"none_of", "subset_of"}:
            return not all(met([value], second) for value in values)
        return against == "empty" and limit is True and bool(values)
    if (word, against) in {("at_least", "at_most"), ("matches", "not_matches")}:
        return wanted > limit if word == "at_least" else bool(wanted == limit)
    return (word, against) == ("empty", "empty") and wanted is not limit


def _names(types: Sequence[type]) -> str:
    words = {str: "text", int: "a number", float: "a number", bool: "true/false", list: "a list", type(None): "nothing"}
    return ", ".join(dict.fromkeys(words.get(kind, kind.__name__) for kind in types))
