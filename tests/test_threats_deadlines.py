"""CISA's table of due dates: all of its rows, and that no answer that is worse ever gives more time."""

from __future__ import annotations

import itertools
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Control
from scanner.scoring import deadlines, vulnerability
from scanner.scoring.deadlines import TABLE, Answers, Deadline, answers, automatable_and_total, deadline, due

from .feeds_of import CVSS

# As published: row, KEV, exposed, automatable, impact, remediation.
PUBLISHED = """
no,no,no,partial,fix on system upgrade
yes,no,no,partial,14 days
no,yes,no,partial,60 days
no,no,yes,partial,60 days
no,no,no,total,fix on system upgrade
yes,yes,no,partial,14 days
yes,no,yes,partial,14 days
no,yes,yes,partial,14 days
yes,no,no,total,14 days
no,yes,no,total,14 days
no,no,yes,total,60 days
yes,yes,yes,partial,3 days
yes,yes,no,total,3 days & forensic investigation
yes,no,yes,total,3 days & forensic investigation
no,yes,yes,total,3 days
yes,yes,yes,total,3 days & forensic investigation
"""
WORDS = {
    "fix on system upgrade": Deadline(None),
    "60 days": Deadline(60),
    "14 days": Deadline(14),
    "3 days": Deadline(3),
    "3 days & forensic investigation": Deadline(3, triage=True),
}


@pytest.mark.parametrize("row", PUBLISHED.strip().split("\n"))
def test_each_of_the_sixteen_rows_is_as_published(row: str) -> None:
    exploited, exposed, automatable, impact, said = row.split(",")
    asked = Answers(exploited == "yes", exposed == "yes", automatable == "yes", impact == "total")
    assert deadline(asked) == WORDS[said]


def test_the_table_has_a_row_for_every_answer() -> None:
    assert set(TABLE) == set(itertools.product((False, True), repeat=4))


FOUR = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans())


@given(FOUR, st.integers(0, 3))
def test_no_answer_that_is_worse_gives_more_time_or_less_care(four: tuple[bool, bool, bool, bool], at: int) -> None:
    worse = [*four]
    worse[at] = True
    before, after = deadline(Answers(*four)), deadline(Answers(*worse))
    never = 10_000
    assert (after.days or never) <= (before.days or never)
    assert after.triage >= before.triage


@given(FOUR, st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_the_days_run_from_the_later_of_found_and_exploited(
    four: tuple[bool, bool, bool, bool], found: date, listed: date
) -> None:
    exploited, exposed, automatable, total = four
    control = flaw(f"{listed}" if exploited else "", automatable, total)
    zone = "internet" if exposed else "internal"
    assert answers(control, zone) == Answers(*four, estimated=True)
    days, day = deadline(Answers(*four)).days, due(control, zone, found)
    assert (day is None) == (days is None)
    if day is not None and days is not None:
        assert (day - (max(found, listed) if exploited else found)).days == days


def flaw(listed: str, automatable: bool, total: bool) -> Control:
    told = deadlines.references(listed, automatable, total, estimated=True)
    return Control("x", "t", "w", "f", references={"cve": ("CVE-2026-10001",), **told})


def test_what_is_no_published_flaw_has_no_such_date() -> None:
    plain = Control("SSH-01", "t", "w", "f", references={"cis": ("5.1",)})
    assert (answers(plain, "internet"), due(plain, "internet", date(2026, 1, 1))) == (None, None)


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        (CVSS, (True, True)),
        (CVSS.replace("UI:N", "UI:R"), (False, True)),
        (CVSS.replace("AV:N", "AV:A"), (False, True)),
        (CVSS.replace("PR:N", "PR:L"), (False, True)),
        (CVSS.replace("AC:L", "AC:H"), (False, True)),
        (CVSS.replace("C:H", "C:L"), (True, False)),
        (CVSS.replace("I:H", "I:N"), (True, False)),
        (CVSS.replace("C:H", "C:L").replace("S:U", "S:C"), (True, True)),
    ],
)
def test_the_vector_tells_what_nobody_has_answered(vector: str, expected: tuple[bool, bool]) -> None:
    assert automatable_and_total(vulnerability.metrics(vector)) == expected


def test_without_a_vector_it_is_taken_to_spread_by_itself() -> None:
    assert automatable_and_total({}) == (True, False)
