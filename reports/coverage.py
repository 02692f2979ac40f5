"""Which requirements a framework has, as far as its numbers are short and public, so that what nobody asks is shown.

Numbers only: NIST CSF 2.0 (its 106 subcategories), NIST 800-53 revision 5.1.1 (its 299 controls, without those that
were withdrawn), ISO 27001:2022 (the 93 of annex A), PCI DSS 4.0 (the 63 groups below its twelve requirements), NIS2
(directive 2022/2555: governance, article 20, the ten measures of article 21(2), reporting, article 23), DORA
(regulation 2022/2554: the articles that bind the firm itself). CIS benchmarks are not here: a test holds each
baseline to all of their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from . import frameworks

_CSF = (
    "GV.OC 1-5, GV.RM 1-7, GV.RR 1-4, GV.PO 1-2, GV.OV 1-3, GV.SC 1-10, ID.AM 1-5, ID.AM 7-8, ID.RA 1-10, ID.IM 1-4, "
    "PR.AA 1-6, PR.AT 1-2, PR.DS 1-2, PR.DS 10-11, PR.PS 1-6, PR.IR 1-4, DE.CM 1-3, DE.CM 6-6, DE.CM 9-9, DE.AE 2-4, "
    "DE.AE 6-8, RS.MA 1-5, RS.AN 3-3, RS.AN 6-8, RS.CO 2-3, RS.MI 1-2, RC.RP 1-6, RC.CO 3-4"
)


_NIST = (
    "AC 1-12, AC 14-14, AC 16-25, AT 1-4, AT 6-6, AU 1-14, AU 16-16, CA 1-3, CA 5-9, CM 1-14, CP 1-4, CP 6-13, "
    "IA 1-13, IR 1-9, MA 1-7, MP 1-8, PE 1-6, PE 8-23, PL 1-2, PL 4-4, PL 7-11, PM 1-32, PS 1-9, PT 1-8, RA 1-3, "
    "RA 5-10, SA 1-5, SA 8-11, SA 15-17, SA 20-23, SC 1-8, SC 10-13, SC 15-18, SC 20-32, SC 34-51, SI 1-8, SI 10-23, "
    "SR 1-12"
)
_ISO = "A.5 1-37, A.6 1-8, A.7 1-14, A.8 1-34"
_PCI = "1 1-5, 2 1-3, 3 1-7, 4 1-2, 5 1-4, 6 1-5, 7 1-3, 8 1-6, 9 1-5, 10 1-7, 11 1-6, 12 1-10"


def _spread(text: str, form: str = "{}-{}") -> tuple[str, ...]:
    """'AC 1-2' -> ('AC-1', 'AC-2')."""
    found = []
    for part in text.split(", "):
        name, _, places = part.partition(" ")
        first, _, last = places.partition("-")
        found += [form.format(name, number) for number in range(int(first), int(last) + 1)]
    return tuple(found)


REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "nist-csf-2.0": _spread(_CSF, "{}-{:02}"),
    "nist-800-53": _spread(_NIST),
    "iso-27001": _spread(_ISO, "{}.{}"),
    "pci-dss": _spread(_PCI, "{}.{}"),
    "nis2": ("20(1)", "20(2)", *(f"21(2)({letter})" for letter in "abcdefghij"), "23(1)", "23(4)"),
    "dora": tuple(map(str, (*range(5, 15), 17, 18, 19, 24, 25, 26, 28, 29, 30))),
}
"""Framework → its requirements in their order. A reference to any part of one (paragraph, enhancement) covers it."""


def not_covered(found: Iterable[frameworks.Requirement]) -> dict[str, list[str]]:
    """Framework → what no control of the run names, for each of these frameworks that any control names."""
    named: dict[str, set[str]] = {}
    for one in found:
        whole = one.number.partition("(")[0]
        named.setdefault(one.framework, set()).update({one.number, whole, *_above(whole)})
    return {
        name: [number for number in all_of if number not in named[name]]
        for name, all_of in REQUIREMENTS.items()
        if name in named
    }


def _above(number: str) -> list[str]:
    """'10.2.1.5' -> ['10', '10.2', '10.2.1']: what it is a part of."""
    parts = number.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]
