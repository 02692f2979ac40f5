"""The score: the worked example to its digits, a simulation that knows nothing of the formula, and the edges."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import Unparsable, UsageError
from scanner.model import Asset, Criticality, Effect, Finding, Network, Outcome, Term
from scanner.score import Policy, coverage, points, score_asset, weaknesses, word, zone_of
from scanner.scoring import vulnerability
from scanner.scoring.policy import Losses
from scanner.scoring.standing import Compensation, compensated, with_last_known

from .estates import EXAMPLE, Estate, control

DOCUMENT = Path(__file__).parent.parent / "docs" / "scoring.md"


# ── the worked example ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asset", "loss", "percent", "score"),
    [
        ("web-1", 27.63, 62, 90),
        ("web-2", 27.00, 59, 90),
        ("db-1", 3.30, 3, 52),
        ("fs-1", 9.22, 28, 75),
        ("jump-1", 0.00, 0, 0),
        ("lab-9", 0.00, 0, 0),
    ],
)
def test_the_assets_of_the_worked_example(asset: str, loss: float, percent: int, score: int) -> None:
    of = EXAMPLE.assessed().assets[asset]
    assert (round(of.expected_loss, 2), round(100 * of.chance), round(of.score)) == (loss, percent, score)


def test_the_services_and_the_organisation_of_the_worked_example() -> None:
    found = EXAMPLE.assessed()
    assert {name: (round(s.expected_loss, 2), round(s.score)) for name, s in found.services.items()} == {
        "webshop": (31.55, 76),
        "office": (9.22, 48),
    }
    assert (round(found.organisation.expected_loss, 2), round(found.organisation.score)) == (40.77, 58)
    assert round(100 * found.services["webshop"].chance) == 64
    assert [risk.root_cause for risk in found.risks[:3]] == [
        "ssh.permit-root-login",
        "pkg.samba",
        "pg.listen-addresses",
    ]
    assert found.risks[0].title == "Root cannot log in over SSH"
    assert (found.risks[0].likelihood, found.risks[0].impact) == (5, 4)
    assert (found.risks[0].assets, found.risks[0].findings) == (("web-1", "web-2"), 3)


def fixed(estate: Estate, *causes: str, on: str = "") -> Estate:
    return estate.without(
        [f for f in estate.failed if estate.controls["b", f.control].cause in causes and on in f.asset]
    )


def test_the_fixes_of_the_worked_example() -> None:
    one_host = fixed(EXAMPLE, "ssh.permit-root-login", on="web-2").assessed()
    assert round(one_host.services["webshop"].expected_loss, 2) == 30.62
    both = fixed(EXAMPLE, "ssh.permit-root-login").assessed().organisation
    assert (round(both.expected_loss, 2), round(both.score)) == (13.41, 31)
    samba_too = fixed(EXAMPLE, "ssh.permit-root-login", "pkg.samba").assessed().organisation
    assert (round(samba_too.expected_loss, 2), round(samba_too.score)) == (4.43, 13)


def test_the_chance_of_a_large_loss_in_the_worked_example() -> None:
    shop = Estate(tuple(pair for pair in EXAMPLE.pairs if pair[0].service == "webshop"), EXAMPLE.controls)
    assert round(100 * shop.curve().chance(29.99)) == 61
    assert round(100 * fixed(shop, "ssh.permit-root-login").curve().chance(29.99)) == 3


def test_every_number_in_the_document_is_what_the_code_gives() -> None:
    """The table of scopes in docs/scoring.md: R, chance and score of each."""
    found = EXAMPLE.assessed()
    both = fixed(EXAMPLE, "ssh.permit-root-login").assessed().organisation
    rest = fixed(EXAMPLE, "ssh.permit-root-login", "pkg.samba").assessed().organisation
    one = fixed(EXAMPLE, "ssh.permit-root-login", on="web-2").assessed().services["webshop"]
    known = {"org": found.organisation, "org-after-1": both, "org-after-2": rest, "webshop-after-web-2": one}
    known |= dict(found.assets) | dict(found.services)
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+) \|[^\n]*\| ([\d.]+) \| (< 1|\d+) % \| (\d+) \|$", text, re.M)
    assert {row[0] for row in rows} == set(known)
    for name, loss, percent, score in rows:
        of = known[name]
        chance = round(100 * of.chance)
        said = (f"{of.expected_loss:.2f}", "< 1" if chance < 1 else str(chance), str(round(of.score)))
        assert (loss, percent, score) == said, name


# ── the simulation: attempts, one by one ─────────────────────────────────────────────────────────────────────────────

ZONES = {"internet": 1, "partner": 0.3, "internal": 0.1, "restricted": 0.03, "isolated": 0.01}
VECTORS = {"network": 1, "adjacent": 0.3, "local": 0.1, "physical": 0.01}
EXPLOITS = {5: 1, 4: 0.3, 3: 0.1, 2: 0.03, 1: 0.01}
REACHED = {"none": 0, "partial": 0.3, "total": 1}
COSTS = {1: 1, 2: 3, 3: 10, 4: 30, 5: 100}


def holes(estate: Estate) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Cause → asset → (chance, loss), reckoned from the scales as they stand in the document."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for asset, findings in estate.pairs:
        for finding in findings:
            if finding.outcome is Outcome.FAIL:
                of = estate.controls[finding.baseline, finding.control]
                chance = ZONES[asset.zone] * VECTORS[of.vector] * EXPLOITS[of.exploit] * finding.weakness
                sides = zip(asdict(of.effect).values(), asdict(asset.criticality).values(), strict=True)
                found[of.cause][asset.id].append((chance, max(REACHED[e] * COSTS[w] for e, w in sides)))
    return found


def attempt(
    causes: dict[str, dict[str, list[tuple[float, float]]]], levels: list[float], draw: random.Random
) -> tuple[float, bool]:
    """What one attempt costs, and whether anything at all.

    It tries each cause on the host where that works best, and has 5 % of its luck on the others.

    One draw per cause and host decides for every size of loss.
    """
    luck = {cause: {host: draw.random() for host in hosts} for cause, hosts in causes.items()}
    steps = list(zip([0.0, *levels], levels, strict=False))
    fell = [any(_falls(hosts, luck[cause], below) for cause, hosts in causes.items()) for below, _ in steps]
    return sum(level - below for (below, level), lost in zip(steps, fell, strict=True) if lost), fell[0]


def _falls(hosts: dict[str, list[tuple[float, float]]], luck: dict[str, float], above: float) -> bool:
    best = {host: max((v for v, loss in found if loss > above), default=0.0) for host, found in hosts.items()}
    first = max(best, key=lambda host: best[host])
    return any(luck[host] < (v if host == first else 0.05 * v) for host, v in best.items())


def poisson(mean: float, draw: random.Random) -> int:
    count, left = 0, draw.expovariate(1)
    while left < mean:
        count, left = count + 1, left + draw.expovariate(1)
    return count


def drawn(seed: int) -> Estate:
    """Five assets of one service and eight controls of four causes, open enough that a simulation sees them."""
    draw = random.Random(seed)
    extents = ["none", "partial", "total"]
    known = {}
    for i in range(8):
        effect = Effect(*(draw.choice(extents) for _ in range(3)))  # type: ignore[arg-type]
        vector = draw.choice(["network", "network", "adjacent", "local"])
        known["b", f"c{i}"] = control(f"c{i}", f"g{i % 4}", vector, draw.choice([3, 4, 4, 5]), effect)  # type: ignore[arg-type]
    pairs = []
    for i in range(5):
        worth = Criticality(*(draw.choice([1, 2, 3, 4, 5]) for _ in range(3)))  # type: ignore[arg-type]
        asset = Asset(f"a{i}", service="s", zone=draw.choice(["internet", "partner", "internal"]), criticality=worth)
        names = draw.sample(sorted(name for _, name in known), 4)
        pairs.append((asset, tuple(Finding(asset.id, "b", n, "", Outcome.FAIL, weakness=draw.random()) for n in names)))
    return Estate(tuple(pairs), known)


@given(st.integers(0, 10**6))
@settings(max_examples=6, deadline=None, derandomize=True)  # by chance one in some ten thousand would fail
def test_a_simulation_of_single_attempts_agrees(seed: int) -> None:
    """P26: the mean loss of a year, and the share of years with a loss at all, within four standard errors."""
    estate, years, draw = drawn(seed), 2500, random.Random(1000 + seed)
    causes = holes(estate)
    levels = sorted({loss for hosts in causes.values() for found in hosts.values() for _, loss in found if loss})
    yearly, hit = [], 0
    for _ in range(years):
        costs = [attempt(causes, levels, draw) for _ in range(poisson(3, draw))]
        yearly.append(sum(cost for cost, _ in costs))
        hit += any(lost for _, lost in costs)
    mean = sum(yearly) / years
    error = math.sqrt(sum((year - mean) ** 2 for year in yearly) / (years - 1) / years)
    scored = estate.assessed().services["s"]
    assert abs(scored.expected_loss - mean) < 4 * error
    p = scored.chance
    assert abs(hit / years - p) < 4 * math.sqrt(p * (1 - p) / years) + 1e-9


# ── edges ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_host_that_nothing_protects_is_certain_to_fall_and_still_a_number() -> None:
    sure = control("c", "g", "network", 5, Effect("total", "total", "total"))
    asset = Asset("a", zone="internet", criticality=Criticality(5, 5, 5))
    score = score_asset(asset, [Finding("a", "b", "c", "", Outcome.FAIL)], {("b", "c"): sure}, Policy())
    assert score.expected_loss == 300
    assert score.chance == pytest.approx(1 - math.exp(-3))


def test_what_was_seen_from_the_internet_is_there_whatever_the_inventory_says() -> None:
    seen = Asset("a", zone="isolated", network=Network(viewpoint="internet"))
    inside = Asset("a", zone="isolated", network=Network(viewpoint="office"))
    of_network = replace(control("c", "g", "network", 3, Effect()), check="network.ports.unexpected")
    of_host = control("d", "g", "network", 3, Effect())
    both = replace(of_network, check="", any=(Term("network.ports.unexpected"), Term("linux.x")))
    assert zone_of(seen, of_network) == "internet"
    assert [zone_of(seen, of_host), zone_of(seen, both), zone_of(inside, of_network)] == ["isolated"] * 3


def test_coverage_counts_controls_and_one_unknown_subject_leaves_its_control_unjudged() -> None:
    found = [
        Finding("a", "b", "ten-files", str(i), Outcome.PASS if i else Outcome.UNKNOWN, "denied") for i in range(10)
    ]
    found += [Finding("a", "b", "ok", "", Outcome.PASS), Finding("a", "b", "gone", "", Outcome.NOT_APPLICABLE)]
    assert (coverage(found).judged, coverage(found).applicable) == (1, 2)
    scored = score_asset(Asset("a"), found, {}, Policy())
    assert (scored.judged, scored.applicable, scored.coverage, scored.expected_loss) == (1, 2, 0.5, 0)


def test_the_bands_have_words() -> None:
    assert [word(score) for score in (0, 9.99, 10, 25, 50, 75, 99.9)] == [
        "very low",
        "very low",
        "low",
        "within tolerance",
        "above tolerance",
        "far above tolerance",
        "far above tolerance",
    ]
    assert [round(points(times * 3, 3)) for times in (0, 1 / 9, 1 / 3, 1, 2, 3, 9)] == [0, 10, 25, 50, 67, 75, 90]


def test_the_policy_is_json_and_equal_after_it() -> None:
    usual = asdict(Policy(unit="EUR", losses=Losses(1e3, 1e4, 1e5, 1e6, 1e7)))
    assert json.loads(json.dumps(usual)) == usual


def test_a_control_that_nobody_knows_is_an_error_not_a_zero() -> None:
    with pytest.raises(KeyError):
        weaknesses(Asset("a"), [Finding("a", "b", "lost", "", Outcome.FAIL)], {}, Policy())


def test_scoring_needs_no_heavy_library() -> None:
    script = "import sys, scanner.score; print(*sorted({'numpy', 'sqlalchemy', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


# ── published vulnerabilities ────────────────────────────────────────────────────────────────────────────────────────

LOG4SHELL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"


@pytest.mark.parametrize(
    ("known_exploited", "epss", "cvss", "level"),
    [
        (True, 0.0, LOG4SHELL, 5),
        (False, 0.5, LOG4SHELL, 5),
        (False, 0.499, LOG4SHELL, 4),
        (False, 0.1, LOG4SHELL, 4),
        (False, 0.01, LOG4SHELL, 3),
        (False, 0.001, LOG4SHELL, 2),
        (False, 0.0009, LOG4SHELL, 1),
        (False, None, LOG4SHELL, 4),
        (False, None, "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H", 3),
        (False, None, "CVSS:3.0/AV:N/AC:H/PR:L/UI:N/S:U/C:H/I:H/A:H", 2),
        (False, None, "CVSS:3.1/AV:N/AC:H/PR:H/UI:R/S:U/C:H/I:H/A:H", 2),
    ],
)
def test_what_attackers_do_counts_more_than_what_a_vulnerability_looks_like(
    known_exploited: bool, epss: float | None, cvss: str, level: int
) -> None:
    assert vulnerability.exploit(known_exploited, epss, vulnerability.metrics(cvss)) == level


def test_a_vulnerabilitys_vector_and_effect_come_from_its_metrics() -> None:
    found = vulnerability.metrics("CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:L/A:N/E:P")
    assert vulnerability.vector(found) == "adjacent"
    assert vulnerability.effect(found) == Effect("total", "partial", "none")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("", {"AV": "N", "AC": "L", "PR": "N", "UI": "N", "S": "U", "C": "H", "I": "H", "A": "N"}),
        ("AT:P", {"AC": "H"}),
        ("UI:A", {"UI": "R"}),
        ("SA:L", {"S": "C"}),
        ("VC:N", {"C": "N"}),
    ],
)
def test_a_vector_of_version_4_is_read_in_the_words_of_version_3(changed: str, expected: dict[str, str]) -> None:
    words = ["AV:N", "AC:L", "AT:N", "PR:N", "UI:N", "VC:H", "VI:H", "VA:N", "SC:N", "SI:N", "SA:N"]
    told = [changed if word.partition(":")[0] == changed.partition(":")[0] else word for word in words]
    found = vulnerability.metrics("/".join(["CVSS:4.0", *told, "E:P"]))
    assert {name: found[name] for name in expected} == expected
    assert set(found) == {"AV", "AC", "PR", "UI", "S", "C", "I", "A"}


@pytest.mark.parametrize(
    "wrong",
    [
        "CVSS:4.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "",
        "CVSS:2.0/AV:N",
        LOG4SHELL.replace("/A:H", ""),
        LOG4SHELL.replace("AV:N", "AV:X"),
    ],
)
def test_a_vector_of_another_shape_is_never_guessed_at(wrong: str) -> None:
    with pytest.raises(Unparsable):
        vulnerability.metrics(wrong)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_a_chance_out_of_range_is_refused_not_bent(wrong: float) -> None:
    with pytest.raises(Unparsable):
        vulnerability.exploit(False, wrong, vulnerability.metrics(LOG4SHELL))


# ── what compensates ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_compensation_counts_until_its_last_day_and_only_where_it_is_shown() -> None:
    found = [failing("bob"), failing("eve")]
    known = [Compensation("a", "c", "bob", factor, "ada", "VPN-7", date(2026, 11, 23)) for factor in (0.5, 0.1, 0.8)]
    assert [f.compensation for f in compensated(found, known, date(2026, 11, 23))] == [0.1, 1]
    assert compensated(found, known, date(2026, 11, 24)) == found


@pytest.mark.parametrize(
    ("factor", "owner", "evidence"),
    [(0.04, "ada", "VPN-7"), (1.1, "ada", "VPN-7"), (math.nan, "ada", "x"), (0.5, "", "x"), (0.5, "ada", " ")],
)
def test_a_compensation_needs_an_owner_evidence_and_a_factor_in_range(factor: float, owner: str, evidence: str) -> None:
    with pytest.raises(UsageError, match="compensation"):
        Compensation("a", "c", "", factor, owner, evidence, date(2026, 1, 1))


# ── what was known before ────────────────────────────────────────────────────────────────────────────────────────────


def failing(subject: str = "", outcome: Outcome = Outcome.FAIL, reason: str = "") -> Finding:
    return Finding("a", "b", "c", subject, outcome, reason)


@pytest.mark.parametrize(
    ("now", "stays_open"),
    [
        ([failing("bob", Outcome.PASS)], False),
        ([failing("eve", Outcome.PASS)], False),
        ([failing("", Outcome.NOT_APPLICABLE, "no accounts")], False),
        ([failing("", Outcome.UNKNOWN, "unreachable")], True),
        ([failing("bob", Outcome.UNKNOWN, "denied"), failing("eve", Outcome.PASS)], True),
        ([failing("eve", Outcome.PASS), failing("zoe", Outcome.UNKNOWN, "denied")], True),
        ([failing("eve"), failing("(others)", Outcome.FAIL, "truncated")], True),
        ([], True),
        ([failing("bob")], False),
    ],
)
def test_an_earlier_failure_counts_until_its_own_control_closes_it(now: list[Finding], stays_open: bool) -> None:
    before = failing("bob")
    assert (with_last_known(now, [before]) == [*now, before]) is stays_open
