"""Which requirements a framework has, as far as its numbers are short and public, so that what nobody asks is shown.

Numbers only: NIST CSF 2.0 (its 106 subcategories), NIS2 (directive 2022/2555: governance, article 20, the ten measures
of article 21(2), reporting, article 23), DORA (regulation 2022/2554: the articles that bind the firm itself).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from . import frameworks

_CSF = (
    "GV.OC 1-5, GV.RM 1-7, GV.RR 1-4, GV.PO 1-2, GV.OV 1-3, GV.SC 1-10, ID.AM 1-5, ID.AM 7-8, ID.RA 1-10, ID.IM 1-4, "
    "PR.AA 1-6, PR.AT 1-2, PR.DS 1-2, PR.DS 10-11, PR.PS 1-6, PR.IR 1-4, DE.CM 1-3, DE.CM 6-6, DE.CM 9-9, DE.AE 2-4, "
    "DE.AE 6-8, RS.MA 1-5, RS.AN 3-3, RS.AN 6-8, RS.CO 2-3, RS.MI 1-2, RC.RP 1-6, RC.CO 3-4"
)


def _spread(text: str) -> tuple[str, ...]:
    """'GV.PO 1-2' -> ('GV.PO-01', 'GV.PO-02')."""
    found = []
    for part in text.split(", "):
        name, _, places = part.partition(" ")
        first, _, last = places.partition("-")
        found += [f"{name}-{number:02}" for number in range(int(first), int(last) + 1)]
    return tuple(found)


REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "nist-csf-2.0": _spread(_CSF),
    "nis2": ("20(1)", "20(2)", *(f"21(2)({letter})" for letter in "abcdefghij"), "23(1)", "23(4)"),
    "dora": tuple(map(str, (*range(5, 15), 17, 18, 19, 24, 25, 26, 28, 29, 30))),
}
"""Framework → its requirements in their order. DORA by article; a reference to any of its paragraphs covers it."""


def not_covered(found: Iterable[frameworks.Requirement]) -> dict[str, list[str]]:
    """Framework → what no control of the run names, for each of these frameworks that any control names."""
    named: dict[str, set[str]] = {}
    for one in found:
        named.setdefault(one.framework, set()).update({one.number, one.number.partition("(")[0]})
    return {
        name: [number for number in all_of if number not in named[name]]
        for name, all_of in REQUIREMENTS.items()
        if name in named
    }
