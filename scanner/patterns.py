"""Patterns of a baseline, matched against what a target wrote: none may take longer than it is worth.

A pattern whose steps could grow as a power of two is refused before anything runs. One whose steps grow as a power of
the text's length is matched here while that is little, and else in a process of its own that is ended after LIMIT_S.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import combinations
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from .errors import Undetermined, UsageError

MAX_TEXT = 4096
"""Signs of a text that are looked at."""
MAX_WAYS = 10_000
"""In so many ways may the bounded parts of a pattern match the same text."""
MAX_STEPS = 50_000_000
"""So many are taken here: about a second."""
LIMIT_S = 5.0
_LONG = 64
"""A repeat that may be so many times longer or shorter counts as endless."""
_CODE = """
import json, re, sys
pattern, text = json.load(sys.stdin)
print(re.fullmatch(pattern, text) is not None)
"""
_given_up: set[str] = set()


class Cost(NamedTuple):
    """How often a match may have to choose: `ways` times the text's length to the power of `degree`."""

    degree: int
    ways: int


class _Runaway(Exception):
    """The steps of a pattern grow faster than any power of the text's length, or nobody knows how."""


def refuse_runaway(pattern: str) -> None:
    """Raise UsageError for a pattern that is broken, or could take exponential time on hostile text."""
    try:
        cost(pattern)
    except re.error as error:
        raise UsageError(f"the pattern {pattern!r} is broken: {error}") from error
    except (OverflowError, RecursionError) as error:
        raise UsageError(f"the pattern {pattern!r} is broken: it repeats or nests too much") from error
    except _Runaway:
        raise UsageError(
            f"the pattern {pattern!r} could run away: no nested repeats, back-references or look-around, and nothing "
            "repeated that matches a text in two ways"
        ) from None


def matches(pattern: str, text: str) -> bool:
    """Whether the first MAX_TEXT signs of a text match as a whole. Undetermined where that takes too long."""
    text = text[:MAX_TEXT]
    found = cost(pattern)
    if found.ways * len(text) ** found.degree <= MAX_STEPS:
        return re.fullmatch(pattern, text) is not None
    if pattern not in _given_up:
        try:
            return _apart(pattern, text)
        except (subprocess.SubprocessError, OSError):
            _given_up.add(pattern)
    raise Undetermined(f"matching the pattern {pattern!r} with this text takes longer than {LIMIT_S:g} s")


def _apart(pattern: str, text: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _CODE],
        input=json.dumps([pattern, text]).encode(),
        capture_output=True,
        timeout=LIMIT_S,
        check=True,
    )
    return done.stdout.strip() == b"True"


_costs: dict[str, Cost] = {}


def cost(pattern: str) -> Cost:
    """What matching may take at the most. Raises _Runaway, or re.error where it is no pattern."""
    if pattern not in _costs:
        re.compile(pattern)
        _costs[pattern] = _sequence(_parser.parse(pattern))
    return _costs[pattern]


def _sequence(items: Iterable[Any]) -> Cost:
    degree, ways = 0, 1
    for operation, argument in items:
        one = _item(operation, argument)
        degree, ways = degree + one.degree, ways * one.ways
    if ways > MAX_WAYS:
        raise _Runaway
    return Cost(degree, ways)


def _item(operation: Any, argument: Any) -> Cost:
    if operation in {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}:
        least, most, body = argument
        return _repeat(least, most, _sequence(body))
    if operation is _constants.BRANCH:
        found = [_sequence(one) for one in argument[1]]
        ways = max if _apart_at_once(argument[1]) else sum
        return Cost(max(one.degree for one in found), ways(one.ways for one in found))
    if operation is _constants.SUBPATTERN:
        return _sequence(argument[-1])
    if operation is _constants.ATOMIC_GROUP:
        return _sequence(argument)
    if operation in _PLAIN:
        return Cost(0, 1)
    raise _Runaway


_PLAIN = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN, _constants.AT}


def _repeat(least: int, most: Any, body: Cost) -> Cost:
    if most == 1:
        return Cost(body.degree, body.ways + (least == 0))
    if body.degree:
        raise _Runaway
    if most is _constants.MAXREPEAT or most - least > _LONG:
        if body.ways > 1:
            raise _Runaway
        return Cost(1, 1)
    if body.ways > 1 and most * body.ways > MAX_WAYS:  # before the power, which would be a number of any length
        raise _Runaway
    return Cost(0, sum(body.ways**times for times in range(least, most + 1)))


def _apart_at_once(alternatives: Sequence[Any]) -> bool:
    """Whether the first sign of a text says which alternative it can be of: each begins with signs of its own."""
    firsts = [_first(one) for one in alternatives]
    return all(one and other and not one & other for one, other in combinations(firsts, 2))


def _first(items: Sequence[Any]) -> frozenset[str]:
    """The signs that a literal beginning has, in either case; empty where it begins otherwise."""
    if not len(items):
        return frozenset()
    operation, argument = items[0]
    if operation is _constants.LITERAL:
        return frozenset({chr(argument).lower(), chr(argument).upper()})
    if operation is _constants.SUBPATTERN:
        return _first(argument[-1])
    if operation is _constants.IN and all(one is _constants.LITERAL for one, _ in argument):
        return frozenset().union(*(_first([one]) for one in argument))
    return frozenset()
