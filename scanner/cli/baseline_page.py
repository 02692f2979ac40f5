"""A baseline as a page to read: each control with its reason, how it is judged, what mends it, what refers to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from scanner.compare import phrase, shown

if TYPE_CHECKING:
    from scanner.model import Baseline, Control, Term

_CODE = re.compile(r"(`[^`]*`)")
_MARKS = re.compile(r"[*\[\]\\|`]|(?<!\w)_|_(?!\w)")
"""What Markdown would take for a mark; an underscore between letters is none."""
_FRAMEWORKS = {
    "cis": "CIS",
    "cac": "ComplianceAsCode",
    "nist-800-53": "NIST 800-53",
    "iso-27001": "ISO 27001",
    "pci-dss": "PCI DSS",
    "attack": "ATT&CK",
}


def markdown(baseline: Baseline, controls: Iterable[Control], sentences: Mapping[str, str]) -> str:
    """The page of a baseline. sentences: check -> what it returns, in one sentence."""
    chosen = list(controls)
    return "\n".join([*_head(baseline, chosen), *_index(chosen), *_body(chosen), *_glossary(chosen, sentences)])


def _head(baseline: Baseline, controls: list[Control]) -> Iterator[str]:
    asked = sum(bool(control.manual) for control in controls)
    yield f"# {_plain(baseline.title)}"
    yield ""
    yield f"`{baseline.id}` {baseline.version}: {len(controls)} controls, of which people answer {asked}."
    if baseline.applies_to.when:
        yield f"For assets of kind {baseline.applies_to.kind} where {_terms(baseline.applies_to.when, 'and')}."
    else:
        yield f"For assets of kind {baseline.applies_to.kind}."
    yield ""
    if baseline.parameters:
        yield "Parameters, which a baseline of your own may set:"
        yield ""
        for name, value in sorted(baseline.parameters.items()):
            yield f"- `{name}`: {_code(shown(value, 300))}"
        yield ""


def _index(controls: list[Control]) -> Iterator[str]:
    answered: dict[str, list[str]] = {}
    for control in controls:
        for number in control.references.get("cis", ()):
            answered.setdefault(number, []).append(control.id)
    if not answered:
        return
    yield "## By number of the benchmark"
    yield ""
    yield "| CIS | controls |"
    yield "|---|---|"
    for number in sorted(answered, key=_in_order):
        yield f"| {number} | {', '.join(f'[{id}](#{id.lower()})' for id in answered[number])} |"
    yield ""


def _in_order(number: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in number.split(".")]


def _body(controls: list[Control]) -> Iterator[str]:
    yield "## Controls"
    for control in controls:
        yield ""
        yield f"### {control.id}"
        yield ""
        yield f"**{_plain(control.title)}**"
        facts = [*control.levels, f"{control.vector}, exploit {control.exploit}", f"fixed in {control.effort}"]
        yield f"({'; '.join(facts)})"
        yield ""
        yield _plain(control.why)
        yield ""
        yield f"- Judged: {_judged(control)}"
        yield f"- Fix: {_plain(control.fix)}"
        if control.references:
            yield f"- References: {_references(control)}"
    yield ""


def _judged(control: Control) -> str:
    if control.manual:
        text = f"by a person, who is asked: {_plain(control.manual)}"
    else:
        text = _terms(control.terms, "or" if control.any else "and")
    if control.when:
        text += f"; only where {_terms(control.when, 'and')}{', unless asked for by name' * control.unless_asked}"
    return f"{text}; absent is {control.when_absent}" if control.when_absent != "unknown" else text


def _terms(terms: Iterable[Term], word: str) -> str:
    return f", {word} ".join(_term(term) for term in terms)


def _term(term: Term) -> str:
    given = ", ".join(f"{name}={shown(value, 120)}" for name, value in term.given.items())
    return f"{_code(f'{term.check}({given})')} is {_code(phrase(term.expect))}"


def _references(control: Control) -> str:
    found = sorted(control.references.items(), key=lambda item: (item[0] not in _FRAMEWORKS, item[0]))
    return "; ".join(f"{_FRAMEWORKS.get(name, name)} {', '.join(map(_plain, values))}" for name, values in found)


def _glossary(controls: list[Control], sentences: Mapping[str, str]) -> Iterator[str]:
    used = {term.check for control in controls for term in (*control.terms, *control.when)}
    if not used:
        return
    yield "## What the checks return"
    yield ""
    for check in sorted(used):
        yield f"- `{check}`: {_plain(sentences[check])}"
    yield ""


def _plain(text: str) -> str:
    """Text that Markdown shows as it is written, but for its code: 'a_b <x> `c_d`' -> 'a_b &lt;x> `c_d`'."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(part if _CODE.fullmatch(part) else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return _MARKS.sub(r"\\\g<0>", text)


def _code(text: str) -> str:
    """Text as code, with a fence longer than any in it."""
    text = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"
