"""The board's page: plain words, nothing technical, no false comfort, one sentence against what was agreed."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reports import board, frameworks, outlook, plain_words, scale, view
from scanner import budget, catalogue, score
from scanner.catalogue import Catalogue
from scanner.inert import printable
from scanner.load import read_document
from scanner.model import Access, Asset, Control, Criticality, Effect, Finding, Organisation, Outcome, Run, Ssh

from .run_of import HOSTILE, controls, remembered, run_of, run_of_one_host, scored

BLOCKS = {
    "p",
    "li",
    "h1",
    "h2",
    "h3",
    "dt",
    "dd",
    "td",
    "th",
    "caption",
    "figcaption",
    "footer",
    "text",
    "desc",
    "title",
}


class Said(HTMLParser):
    """The page's text, one piece for each block, style left out."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = [""]
        self.tags: list[str] = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in BLOCKS:
            self.pieces.append("")

    def handle_data(self, text: str) -> None:
        if self.tags[-1] != "style":
            self.pieces[-1] += text

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", *BLOCKS}:
            self.tags.append("")
            self.pieces.append("")


def said(run: Run) -> list[str]:
    page = Said()
    page.feed(board.render(run).decode())
    return [" ".join(piece.split()) for piece in page.pieces if piece.strip()]


def technical() -> Run:
    """A run whose controls speak as technically as they like."""
    known = {
        key: replace(
            one, title=f"SSH on port 22 has {one.title}", why="CVE-2024-6387 in /usr/sbin/sshd, see `ss -tlnp`."
        )
        for key, one in controls().items()
    }
    return run_of(known=known)


@functools.cache
def of_real_controls() -> Run:
    """A host that fails every control that ships with Riskline."""
    known: dict[tuple[str, str], Control] = {}
    for file in sorted(Catalogue().baseline_files().values()) + sorted(Path(file_of_parts()).glob("*.yaml")):
        for entry in read_document(file).get("controls", []):
            known[file.stem, entry["id"]] = Control(
                entry["id"], entry.get("title", ""), entry.get("why", ""), entry.get("fix", ""),
                root_cause=str(entry.get("root_cause", "")), exploit=5, effect=Effect("total", "total", "total"),
            )  # fmt: skip
    host = Asset("web-1", access=Access(ssh=Ssh()), zone="internet", service="webshop", owner="Platform team")
    return scored([(host, [Finding("web-1", *key, "", Outcome.FAIL) for key in known])], known)


def file_of_parts() -> str:
    return str(next(iter(Catalogue().baseline_files().values())).parent / "parts")


def asked_and_seen() -> Run:
    """An organisation that was asked three things of recovery, and an account whose backups were looked at."""
    recovery = {"readiness": ("recovery",)}
    told = Control(
        "ORG-1", "A restore was tried", "It may be empty.", "Try one.", manual="Was it tried?", references=recovery
    )
    seen = Control(
        "RDS-1",
        "Databases are backed up",
        "All may be lost.",
        "Turn it on.",
        check="aws.rds.backup",
        references=recovery,
    )
    known = {("standard", one.id): one for one in (told, replace(told, id="ORG-2"), replace(told, id="ORG-3"), seen)}
    acme, cloud = Asset("acme", access=Access(organisation=Organisation())), Asset("cloud", access=Access(ssh=Ssh()))
    asked = [(Outcome.PASS, "ORG-1"), (Outcome.FAIL, "ORG-2"), (Outcome.UNKNOWN, "ORG-3")]
    looked = [("a", Outcome.PASS), ("b", Outcome.FAIL), ("c", Outcome.UNKNOWN), ("d", Outcome.NOT_APPLICABLE)]
    return scored(
        [
            (acme, [Finding("acme", "standard", name, "", outcome) for outcome, name in asked]),
            (cloud, [Finding("cloud", "standard", "RDS-1", one, outcome) for one, outcome in looked]),
        ],
        known,
    )


RUNS = {
    "every outcome": run_of(),
    "technical words": technical(),
    "one host": run_of_one_host(60),
    "every control that ships": of_real_controls(),
    "with a register": remembered(run_of()),
    "everything at once": remembered(of_real_controls()),
    "asked and seen": asked_and_seen(),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_no_sentence_has_more_than_twenty_words(run: Run) -> None:
    for piece in said(run):
        for sentence in re.split(r"(?<=[.!?:])\s+|·", piece):
            assert len(sentence.split()) <= 20, sentence


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_nothing_technical_stands_on_the_page(run: Run) -> None:
    text = "\n".join(said(run))
    ids = {control for _, control in run.controls} | {control.cause for control in run.controls.values()}
    assert not [name for name in ids if name in text]
    assert not re.search(r"CVE-|\bport \d|\d/(?:tcp|udp)|`|(?:^|\s)/\w|\w+\(\d\)|\bsudo\b|\bsshd\b", text)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_every_abbreviation_is_explained_where_it_stands(run: Run) -> None:
    for piece in said(run):
        for abbreviation in re.findall(r"\b[A-Z][A-Z0-9]+\b", piece):
            assert re.search(rf"{abbreviation}[\w .-]* \([A-Za-z ]+\)", piece), piece


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_nobody_is_blamed(run: Run) -> None:
    assert not re.search(
        r"careless|negligen|lazy|stupid|guilt|blame|culprit|sloppy|incompeten", " ".join(said(run)), re.I
    )


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_nothing_is_rounded_to_zero_or_to_certainty(run: Run) -> None:
    assert not re.search(r"(?<!\d)0 ?%|100 ?%", " ".join(said(run)))


def test_the_words_of_a_family_are_plain_themselves() -> None:
    for sentences in (*plain_words.FAMILY.values(), *plain_words._FAMILIES):
        assert all(plain_words.plain(sentence) for sentence in sentences), sentences


@pytest.mark.parametrize(
    "text",
    [
        "Set `PermitRootLogin no`.", "Read /etc/shadow.", "See CVE-2024-1.", "It listens on port 22.", "Open 22/tcp.",
        "TLS is old.", "An IPv6 router.", "The file sshd_config.", "Use sshd(8).", "Root can log in.", "",
        "One two three four five six seven eight nine ten one two three four five six seven eight nine ten one.",
        "A careless administrator did it.", "C:\\Windows is open.", "Look at https://example.org now.",
    ],
)  # fmt: skip
def test_this_is_not_plain(text: str) -> None:
    assert not plain_words.plain(text)


def test_a_control_s_own_words_stand_where_they_are_plain() -> None:
    assert plain_words.told("Every account has a password", "An empty password opens the account", "x.y") == (
        "An empty password opens the account.",
        "Every account has a password.",
    )
    assert plain_words.told("SSH is closed", "An empty password opens it.", "ssh.open") == plain_words.FAMILY["ssh"]
    assert "weaker than agreed" in plain_words.told("SSH is closed", "It is TLS.", "unheard.of")[0]


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        (0.0001, "less than 1 in 100 years (< 1 %)"),
        (0.01, "1 in 100 years (1 %)"),
        (0.25, "1 in 4 years (25 %)"),
        (0.5, "1 in 2 years (50 %)"),
        (0.9, "most years (90 %)"),
        (0.9999, "every year (> 99 %)"),
    ],
)
def test_a_chance_is_told_as_a_frequency(chance: float, words: str) -> None:
    assert plain_words.often(chance) == words


def test_a_share_is_never_rounded_to_nothing_or_all() -> None:
    told = [plain_words.share(part, 1000) for part in (0, 1, 375, 999, 1000)]
    assert told == ["none", "< 1 %", "37 %", "> 99 %", "all"]
    assert plain_words.share(0, 0) == "none"


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_verdict_is_held_against_what_was_agreed() -> None:
    run = run_of()
    seen = replace(run.organisation, judged=100, applicable=100)
    above = replace(run, organisation=replace(seen, score=76.2))
    assert board.headline(above) == "The risk is above the level you agreed: 76 instead of 50."
    within = replace(run, organisation=replace(seen, score=50.0))
    assert board.headline(within) == "The risk is within the level you agreed: 50 of 50."


def test_what_was_seen_in_part_is_said_to_be_at_least() -> None:
    run = run_of()
    half = replace(run, organisation=replace(run.organisation, score=40.0, judged=80, applicable=100))
    assert "at least 40" in board.headline(half)
    assert "What could be seen" in board.headline(half)


def test_a_run_that_judged_nothing_is_not_called_good() -> None:
    run = run_of()
    lost = tuple(one for one in run.visited if one.asset.id == "db-1")
    total = score.assess([(one.asset, one.findings) for one in lost], run.controls, score.Policy())
    text = " ".join(said(replace(run, visited=lost, organisation=total.organisation, risks=total.risks)))
    assert "Nothing could be judged, so nothing is known of the risk." in text
    assert "Nothing that was judged needs to be fixed" not in text
    assert "Risk today ?" in text
    assert "1 system out of reach: 4 rules not judged." in text


def test_what_the_changes_bring_is_worked_out_and_not_added_up() -> None:
    run = run_of()
    fixed = scored(
        [
            (one.asset, [replace(f, outcome=Outcome.PASS) if f.outcome is Outcome.FAIL else f for f in one.findings])
            for one in run.visited
        ],
        run.controls,
    )
    assert len(run.risks) <= board.FIRST
    assert f"would bring the risk to {view.points(fixed.organisation)}." in " ".join(said(run))


def test_no_better_figure_is_promised_where_earlier_failures_still_count() -> None:
    run = run_of()
    more = replace(run, organisation=replace(run.organisation, expected_loss=run.organisation.expected_loss + 5))
    text = " ".join(said(more))
    assert "would bring the risk to" not in text
    assert "cannot be worked out" in text
    assert "Earlier failures that nobody could look at again still count." in text
    assert "Earlier failures" not in " ".join(said(run))


def test_what_failed_before_and_was_not_looked_at_again_is_planned_for_too() -> None:
    """The same failures, found in this run or in an earlier one, lead to the same plan."""
    run = remembered(run_of())
    assert run.history is not None
    first = run.visited[0]
    known = [f for f in first.findings if f.outcome is Outcome.FAIL]
    blind = replace(first, findings=tuple(f for f in first.findings if f.outcome is not Outcome.FAIL))
    later = replace(run, visited=(blind, *run.visited[1:]), history=replace(run.history, standing=tuple(known)))
    told, then = " ".join(said(run)), " ".join(said(later))
    (before,) = re.findall(r"changes below would bring the risk to [\d.]+", told)
    assert before in then
    assert "Earlier failures that nobody could look at again still count." in then


def test_plans_of_growing_size_are_told_and_never_lead_to_more_risk() -> None:
    run = RUNS["every control that ships"]
    ahead = outlook.outlook(run)
    scores = [one.score for one in ahead.rungs]
    assert scores == sorted(scores, reverse=True)
    assert all(one.score < run.organisation.score for one in ahead.rungs)
    assert [one.days for one in ahead.rungs] == sorted({one.days for one in ahead.rungs})


def test_the_work_until_the_agreed_level_is_enough_for_it() -> None:
    """And where the level is kept already, nothing has to be done for it."""
    run = run_of()
    ahead = outlook.outlook(run)
    assert ahead.agreed_days is not None
    pairs = [(one.asset, one.findings) for one in run.visited]
    (plan,) = budget.ladder(pairs, run.controls, score.Policy(), [round(100 * ahead.agreed_days)])
    assert plan.loss_after <= score.Policy().tolerances.organisation
    bearable = {**run.policy, "tolerances": {"organisation": 1e6}}
    assert outlook.outlook(replace(run, policy=bearable)).agreed_days is None


def test_the_scale_marks_today_and_after_and_nothing_where_nothing_is_known() -> None:
    page = board.render(run_of()).decode()
    assert "today 76" in page
    assert "after these changes 0" in page
    assert "today" not in scale.svg(None, None, "")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0.1, "under 1 hour"),
        (0.125, "about 1 hour"),
        (0.5, "about 4 hours"),
        (0.95, "about 1 day"),
        (38.2, "about 38 days"),
    ],
)
def test_an_effort_is_told_in_hours_and_days(days: float, words: str) -> None:
    assert plain_words.work(days) == words


def test_where_losses_are_money_the_work_has_its_price() -> None:
    run = run_of()
    paid = replace(run, policy={**run.policy, "unit": "EUR", "day_rate": 800.0})
    assert "about 4 hours of work, 400 EUR · Owner: Platform team" in " ".join(said(paid))


def test_a_reason_that_leans_on_its_title_gives_way_to_the_words_of_its_family() -> None:
    harm, goal = plain_words.told(
        "The release still gets updates", "After that day every flaw stays open.", "updates.release"
    )
    assert (harm, goal) == (plain_words.FAMILY["updates"][0], "The release still gets updates.")


def test_at_most_five_places_are_told_and_all_of_them_are_on_the_map() -> None:
    page = board.render(of_real_controls()).decode()
    numbers = re.findall(r'<span class="no">(\d)</span>', page)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert len(numbers) <= 5
    map = re.search(r'<desc id="map-d">([^<]*)</desc>', page)
    assert map is not None
    assert {number for group in re.findall(r"risk ([\d, ]+)", map[1]) for number in re.findall(r"\d", group)} == set(
        numbers
    )


def test_every_place_names_service_likelihood_damage_fix_effort_and_owner() -> None:
    text = " ".join(said(run_of()))
    assert "How likely: most years (95 %) · How bad: major" in text
    assert "Goal: Every account has a password." in text
    assert "webshop, 1 system · about 4 hours of work · Owner: Platform team" in text


def test_an_asset_without_owner_or_service_is_said_to_have_none() -> None:
    host = Asset("here", access=Access(ssh=Ssh()), zone="internet", criticality=Criticality(5, 5, 5))
    run = scored([(host, [Finding("here", "standard", "ACC-02", "", Outcome.FAIL)])], controls())
    text = " ".join(said(run))
    assert "Owner: nobody yet" in text
    assert "1 system without a named service" in text


def test_the_trend_is_drawn_and_told_with_what_was_seen() -> None:
    text = " ".join(said(RUNS["with a register"]))
    assert "1 January 2026: 71, 50 % seen; 1 February 2026: 64, 95 % seen; 1 March 2026: " in text
    assert "How the risk changed" not in " ".join(said(run_of()))


def test_whoever_the_register_names_is_in_charge_until_a_day() -> None:
    text = " ".join(said(RUNS["with a register"]))
    assert "Owner: Platform team · due since 27 February 2026" in text
    assert "Owner: Anna · by 27 March 2026" in text


def test_accepted_risks_are_told_with_who_bears_them_until_when() -> None:
    text = " ".join(said(RUNS["with a register"]))
    assert "webshop: 1 risk borne by Anna, ended 20 February 2026: decide anew." in text
    assert "only until 20 March 2026." in text
    assert "Accepted risks still count in every figure here." in text


def test_readiness_joins_what_people_say_with_what_was_seen_on_systems() -> None:
    line = "Ready to recover: 1 of 3 shown, 1 missing, 1 not answered. On systems: 1 of 3 as wanted, 1 not seen."
    assert line in said(asked_and_seen())


def test_both_lines_of_readiness_have_controls_that_ship_of_both_kinds() -> None:
    for part in board.READINESS:
        kinds = set()
        for file in (*Catalogue().baseline_files().values(), *Path(file_of_parts()).glob("*.yaml")):
            for entry in read_document(file).get("controls", []):
                if part in entry.get("references", {}).get("readiness", ()):
                    kinds.add("asked" if "manual" in entry else "seen")
        assert kinds == {"asked", "seen"}


def test_what_the_controls_in_place_hold_back_is_told() -> None:
    run = run_of()
    bare = replace(run.organisation, expected_loss=4 * run.organisation.expected_loss)
    told = "What is done well already keeps away 75 % of the loss that would be expected without it."
    assert told in said(replace(run, inherent=bare))
    assert not any("keeps away" in piece for piece in said(replace(run, inherent=run.organisation)))
    assert not any("keeps away" in piece for piece in said(replace(run_of(), inherent=None)))


def test_pass_rates_count_the_unknown_as_not_met() -> None:
    rates = {rate.framework: rate for rate in frameworks.rates(frameworks.requirements(run_of()))}
    assert rates["cis"].passed == 0
    assert (rates["cis"].failed, rates["nist-800-53"].failed) == (2, 2)
    assert "CIS benchmarks (Center for Internet Security)" in said(run_of())


def test_the_page_is_small_has_no_script_and_loads_nothing() -> None:
    for run in RUNS.values():
        page = board.render(run).decode()
        assert len(page.encode()) < 100_000
        assert not re.search(r"<script|javascript:|\b(?:src|href|on\w+)=|url\(|@import", page)
        assert "default-src &#39;none&#39;" in page


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text)[:30] for text in HOSTILE])
def test_hostile_text_changes_no_markup_and_shows_no_control_character(text: str) -> None:
    def tags(run: Run) -> list[str]:
        page = Said()
        page.feed(board.render(run).decode())
        return page.tags

    hostile = run_of(text.__add__, authored=text.__add__)
    named = replace(
        hostile, visited=tuple(replace(v, asset=replace(v.asset, owner=text, id=text)) for v in hostile.visited)
    )
    assert tags(hostile) == tags(run_of("calm ".__add__, authored="ALL ".__add__))
    page = board.render(named).decode()
    assert "<script" not in page
    assert page == "".join(char for char in page if char == "\n" or printable(char) == char)


def test_its_format_can_be_asked_for() -> None:
    assert catalogue.report("board").render(run_of()) == board.render(run_of())


def _luminance(colour: str) -> float:
    full = "".join(2 * digit for digit in colour[1:]) if len(colour) == 4 else colour[1:]
    parts = [int(full[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_stands_out_from_what_it_stands_on() -> None:
    style = (Path(board.__file__).parent / "templates" / "board.css").read_text()
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", style.split("}")[0]))
    pairs = [(ink, on) for ink in ("ink", "soft") for on in ("page", "card")]
    pairs += [("ink", f"l{number}") for number in range(1, 6)]
    for ink, on in pairs:
        light, dark = sorted((_luminance(colours[ink]), _luminance(colours[on])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, on)
