"""Frameworks: requirement → what the run says of it, over every control that names it and every asset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scanner.inert import printable
from scanner.model import Outcome, Run

from . import view

NAMES: Mapping[str, str] = {
    "anssi": "ANSSI (guide of the French government)",
    "cis": "CIS benchmarks (Center for Internet Security)",
    "cis-5.0": "CIS benchmarks (Center for Internet Security), edition 5.0",
    "cis_v3": "CIS benchmarks (Center for Internet Security), other edition",
    "dora": "DORA (European rules for banks and insurers)",
    "fsbp": "Amazon's own best practices for the cloud",
    "iso-27001": "ISO 27001 (international security standard)",
    "nis2": "NIS2 (European rules for essential services)",
    "nist-800-53": "NIST 800-53 (American government controls)",
    "nist-csf-2.0": "NIST CSF 2.0 (American security framework)",
    "pci-dss": "PCI DSS (rules of the payment cards)",
}
"""Reference key → name for people, abbreviations explained. Other keys stand for themselves."""
FIRST = ("cis", "nist-csf-2.0", "nist-800-53", "iso-27001", "pci-dss", "nis2", "dora")
"""What most are asked for, in the order of a short list."""
NO_FRAMEWORKS = frozenset(
    {"advisory", "attack", "cac", "cce", "cve", "cwe", "epss", "kev", "readiness", "ssvc", "vendor"}
)
"""Reference keys that name attacks, rules or flaws: nothing that one complies with."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a framework. of: the baseline it is numbered for, where numbers differ by baseline, else "".

    passed, failed, unknown, not_applicable: findings of the controls that name it, over all assets.
    accepted: how many of the failed ones somebody bears knowingly today. They stay failed.
    """

    framework: str
    of: str
    number: str
    controls: tuple[str, ...]
    passed: int
    failed: int
    unknown: int
    not_applicable: int
    accepted: int = 0

    @property
    def outcome(self) -> Outcome:
        """Failed if anything failed, else unknown if anything is; it passes only if all that was judged passed."""
        if self.failed:
            return Outcome.FAIL
        if self.unknown:
            return Outcome.UNKNOWN
        return Outcome.PASS if self.passed else Outcome.NOT_APPLICABLE


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requirements of one framework have which outcome. Never a measure of risk."""

    framework: str
    passed: int
    failed: int
    unknown: int
    not_applicable: int

    @property
    def name(self) -> str:
        """For people."""
        return NAMES.get(self.framework, self.framework)

    @property
    def asked(self) -> int:
        """Requirements that apply: the unknown ones count as not passed."""
        return self.passed + self.failed + self.unknown


def requirements(run: Run) -> list[Requirement]:
    """Every requirement that a control of the run names, by framework, baseline and number."""
    counts: dict[tuple[str, str, str], dict[Outcome, int]] = {}
    controls: dict[tuple[str, str, str], set[str]] = {}
    accepted: dict[tuple[str, str, str], int] = {}
    borne = view.borne(run)
    places = {
        key: [(name, key[0] if name.startswith("cis") else "", number) for name, number in _named(control.references)]
        for key, control in run.controls.items()
    }
    for finding in run.findings:
        for place in places.get((finding.baseline, finding.control), ()):
            counts.setdefault(place, dict.fromkeys(Outcome, 0))[finding.outcome] += 1
            controls.setdefault(place, set()).add(finding.control)
            where = (finding.asset, finding.control, printable(finding.subject))
            if finding.outcome is Outcome.FAIL and where in borne:
                accepted[place] = accepted.get(place, 0) + 1
    return [
        Requirement(
            *place,
            tuple(sorted(controls[place])),
            of[Outcome.PASS],
            of[Outcome.FAIL],
            of[Outcome.UNKNOWN],
            of[Outcome.NOT_APPLICABLE],
            accepted.get(place, 0),
        )
        for place, of in sorted(counts.items(), key=lambda item: (item[0][:2], _numerically(item[0][2])))
    ]


def _named(references: Mapping[str, tuple[str, ...]]) -> Iterable[tuple[str, str]]:
    return ((name, number) for name, numbers in references.items() if name not in NO_FRAMEWORKS for number in numbers)


def _numerically(number: str) -> list[tuple[int, str]]:
    """'5.10' after '5.9': digits compare as numbers, everything else as text."""
    parts: list[tuple[int, str]] = []
    word = ""
    for char in f"{number}.":
        if char.isalnum():
            word += char
        elif word:
            parts.append((int(word), "") if word.isascii() and word.isdigit() else (-1, word))
            word = ""
    return parts


def rates(found: Iterable[Requirement]) -> list[Rate]:
    """One line for each framework, by name."""
    counts: dict[str, dict[Outcome, int]] = {}
    for one in found:
        counts.setdefault(one.framework, dict.fromkeys(Outcome, 0))[one.outcome] += 1
    return [
        Rate(name, of[Outcome.PASS], of[Outcome.FAIL], of[Outcome.UNKNOWN], of[Outcome.NOT_APPLICABLE])
        for name, of in sorted(counts.items())
    ]
