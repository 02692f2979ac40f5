"""The decorator that turns a pure function of facts into a `Check`. It registers nothing: the catalogue finds it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from .model import Check, Fact, Observed

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
P = ParamSpec("P")


@overload
def check(id: str, a: Fact[A], /) -> Callable[[Callable[Concatenate[A, P], Observed]], Check]: ...
@overload
def check(id: str, a: Fact[A], b: Fact[B], /) -> Callable[[Callable[Concatenate[A, B, P], Observed]], Check]: ...
@overload
def check(
    id: str, a: Fact[A], b: Fact[B], c: Fact[C], /
) -> Callable[[Callable[Concatenate[A, B, C, P], Observed]], Check]: ...
@overload
def check(
    id: str, a: Fact[A], b: Fact[B], c: Fact[C], d: Fact[D], /
) -> Callable[[Callable[Concatenate[A, B, C, D, P], Observed]], Check]: ...
@overload
def check(
    id: str, a: Fact[A], b: Fact[B], c: Fact[C], d: Fact[D], e: Fact[E], /
) -> Callable[[Callable[Concatenate[A, B, C, D, E, P], Observed]], Check]: ...
@overload
def check(
    id: str, a: Fact[A], b: Fact[B], c: Fact[C], d: Fact[D], e: Fact[E], f: Fact[F], /
) -> Callable[[Callable[Concatenate[A, B, C, D, E, F, P], Observed]], Check]: ...
def check(id: str, /, *facts: Fact[Any]) -> Callable[[Callable[..., Observed]], Check]:
    """Make a `Check` of a function that takes the facts' values in order, then the control's `given` by name.

    id: the module's path below checks/ with dots, then the function's name: "linux.sshd.setting".
    The function returns what it observes, or raises Absent, NotApplicable or Undetermined. It opens and runs nothing.
    """

    def wrap(observe: Callable[..., Observed]) -> Check:
        return Check(id, facts, observe, inspect.getdoc(observe) or "")

    return wrap


def parameters(found: Check) -> dict[str, bool]:
    """The names that a control's `given` may hold for this check -> whether each is required."""
    names = _own(found.observe)[len(found.facts) :]
    given = {p.name: p.default is inspect.Parameter.empty for p in names}
    for fact in found.facts:
        for name in fact.probe.open_places:
            given[name] = True
    return given


def accepts(found: Check) -> frozenset[str]:
    """The names of `given` that the function itself takes; the others only fill places in its probes."""
    return frozenset(parameter.name for parameter in _own(found.observe)[len(found.facts) :])


@cache
def _own(observe: Callable[..., Observed]) -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(observe).parameters.values())
