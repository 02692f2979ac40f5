"""What several visits tell together, over several runs in a register: keys, unknown addresses, changed certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from scanner import pipeline, score
from scanner.collect import Collected
from scanner.evaluate import Judge
from scanner.exposure.across import RENEWAL, Estate
from scanner.exposure.sights import sight
from scanner.model import Access, Asset, Evidence, Finding, Gap, Inventory, Network, Outcome, Reply, Run, Ssh
from scanner.plan import Plan, plan_asset
from scanner.register import Register, open_register
from scanner.scoring.standing import with_last_known

from .exposed import NOW, OWN, certificate, evidence, host_key, host_side, seen, socket, web

POLICY = score.Policy()
OFFICE = Asset("office", network=Network(("10.0.0.0/28",), expected_open=("22/tcp",)))
DB = Asset("db", address="10.0.0.6", access=Access(ssh=Ssh()))
NGINX = socket(443)


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    opened = open_register(str(tmp_path / "register.db"))
    yield opened
    assert opened.verify() == []
    opened.close()


def inventory(*assets: Asset, left_out: tuple[str, ...] = ()) -> Inventory:
    addresses = [text for one in assets for text in (one.network.addresses if one.network else ())]
    addresses += [one.address for one in assets if one.address]
    return Inventory("inventory.yaml", assets, addresses=tuple(addresses), left_out=left_out)


def run_of(
    register: Register, known: Inventory, told: Sequence[Evidence], day: int = 0, names: Mapping[str, str] | None = None
) -> Run:
    """One recorded run over these answers, as `execute` would make it."""
    plan = Plan(known, tuple(plan_asset(asset, ()) for asset in known.assets))
    run = replace(pipeline.new_run(plan, POLICY), id=f"run-{day:03}", started_at=NOW + timedelta(days=day))
    register.begin(run)
    estate, visited = Estate(known), {}
    planned = {one.asset.id: one for one in plan.assets}
    for one in told:
        kept = replace(one, collected_at=NOW + timedelta(days=day))
        seen_so = pipeline.judged(
            Collected(planned[one.asset], kept, 0.1), Judge(), run, POLICY, register, None, estate
        )
        visited[one.asset] = seen_so
        register.store(run.id, seen_so, kept)
    found = names or {}

    def resolve(name: str) -> frozenset[str]:
        return frozenset({found[name]} if name in found else ())

    for amended in pipeline.together(estate, visited, run, POLICY, register, resolve):
        visited[amended.asset.id] = amended
        register.amend(run.id, amended)
    finished = pipeline.finish(run, list(visited.values()), POLICY, "complete", register)
    register.finish(finished)
    return finished


def said(run: Run, rule: str) -> dict[tuple[str, str], Finding]:
    return {(one.asset, one.subject): one for one in run.findings if one.control.partition("/")[0] == rule}


def failing(run: Run, rule: str) -> set[tuple[str, str]]:
    return {place for place, one in said(run, rule).items() if one.outcome is Outcome.FAIL}


def states(register: Register, asset: str, rule: str) -> list[str]:
    return [one.state for one in register.risks(asset) if one.control.partition("/")[0] == rule]


# ── looks that another asset ordered ─────────────────────────────────────────────────────────────────────────────────


def test_a_host_is_joined_with_what_the_look_at_its_network_saw_of_it(register: Register) -> None:
    both = inventory(DB, OFFICE)
    told = [
        evidence("db", inside=host_side(NGINX, addresses=("10.0.0.6",))),
        evidence("office", outside=[seen(443, host="10.0.0.6", named=False)]),
    ]
    run = run_of(register, both, told)
    assert failing(run, "unlisted-exposure") == {("db", "10.0.0.6:443/tcp")}
    stored = register.run(run.id)
    assert failing(stored, "unlisted-exposure") == {("db", "10.0.0.6:443/tcp")}
    assert register.evidence(run.id, "db") is not None


def test_what_another_look_told_is_not_fixed_and_found_again_by_every_run(register: Register) -> None:
    told = [
        evidence("db", inside=host_side(NGINX, addresses=("10.0.0.6",))),
        evidence("office", outside=[seen(443, host="10.0.0.6", named=False)]),
    ]
    for day in range(3):
        run_of(register, inventory(DB, OFFICE), told, day)
    assert states(register, "db", "unlisted-exposure") == ["open"]
    (risk,) = (one for one in register.risks("db") if one.control == "unlisted-exposure")
    changes = [event.change for _, event in register.events("db") if event.fingerprint == risk.fingerprint]
    assert changes == ["opened"]


def test_a_look_from_elsewhere_at_a_translated_address_is_about_its_host(register: Register) -> None:
    public = Network(("192.0.2.10",), expected_open=("443/tcp",), viewpoint="internet")
    known = inventory(replace(DB, zone="restricted"), Asset("db@internet", network=public, zone="internet"))
    told = [
        evidence("db", inside=host_side(NGINX, addresses=("10.0.0.6",))),
        evidence("db@internet", outside=[seen(22, 443, host="192.0.2.10")]),
    ]
    run = run_of(register, known, told)
    assert failing(run, "unlisted-exposure") == {("db", "192.0.2.10:22/tcp from internet")}
    assert failing(run, "shadow-listener") == {("db", "192.0.2.10:22/tcp from internet")}
    (db,) = (one.asset for one in run.visited if one.asset.id == "db")
    assert db.seen_from["shadow-listener"] == "internet"


def test_a_port_that_was_closed_since_is_fixed(register: Register) -> None:
    host = web(expected=("22/tcp",))
    run_of(register, inventory(host), [evidence(inside=host_side(NGINX), outside=[seen(443)])])
    assert states(register, "web", "unlisted-exposure") == ["new"]
    later = evidence(inside=host_side(), outside=[seen(closed="1-1000")])
    run_of(register, inventory(host), [later], 1)
    assert states(register, "web", "unlisted-exposure") == ["fixed"]


def test_a_visit_that_was_denied_closes_nothing(register: Register) -> None:
    host = web(expected=("22/tcp",))
    run_of(register, inventory(host), [evidence(inside=host_side(NGINX), outside=[seen(443)])])
    denied = evidence(inside=Reply(problem="denied", detail="no"), outside=[seen(closed="1-1000")])
    run = run_of(register, inventory(host), [denied], 1)
    assert states(register, "web", "unlisted-exposure") == ["stale"]
    assert run.organisation.expected_loss > 0


def test_an_address_of_two_hosts_is_joined_with_neither(register: Register) -> None:
    other = replace(DB, id="other")
    docker = ("10.0.0.9", "172.17.0.1")
    told = [
        evidence("db", inside=host_side(NGINX, addresses=docker)),
        evidence("other", inside=host_side(NGINX, addresses=("172.17.0.1",))),
        evidence("office", outside=[seen(443, host="172.17.0.1", named=False)]),
    ]
    run = run_of(register, inventory(DB, other, OFFICE), told)
    assert said(run, "unlisted-exposure") == {}


# ── keys of several hosts ────────────────────────────────────────────────────────────────────────────────────────────

HOST_KEY = "host - 256 SHA256:aaa (ED25519)\n"
OPENS = "opens root 256 SHA256:bbb (ED25519)\n"
BARE = "bare anna 256 SHA256:bbb (ED25519)\n"
PAIR = inventory(web(), DB)


@pytest.mark.fault("T26")
def test_a_host_that_claims_the_address_of_another_hides_nothing_of_it(register: Register) -> None:
    liar = Asset("liar", address="10.0.0.9", access=Access(ssh=Ssh()))
    told = [
        evidence("db", inside=host_side(NGINX, addresses=("10.0.0.6",))),
        evidence("liar", inside=host_side(addresses=("10.0.0.6", "10.0.0.9"))),
        evidence("office", outside=[seen(443, host="10.0.0.6", named=False)]),
    ]
    run = run_of(register, inventory(DB, liar, OFFICE), told)
    assert failing(run, "unlisted-exposure") == {("db", "10.0.0.6:443/tcp")}


def test_machines_with_the_same_host_key_are_named(register: Register) -> None:
    run = run_of(register, PAIR, [evidence("web", keys=HOST_KEY), evidence("db", keys=HOST_KEY)])
    assert failing(run, "shared-host-key") == {("web", "SHA256:aaa"), ("db", "SHA256:aaa")}
    assert said(run, "shared-host-key")["web", "SHA256:aaa"].detail == (
        "web and db show the same ED25519 host key SHA256:aaa."
    )


def test_an_unprotected_key_that_opens_another_machine_is_told_of_that_machine(register: Register) -> None:
    run = run_of(register, PAIR, [evidence("web", keys=BARE), evidence("db", keys=OPENS)])
    assert failing(run, "lateral-key") == {("db", "root SHA256:bbb")}
    assert said(run, "lateral-key")["db", "root SHA256:bbb"].detail == (
        "A private key without passphrase of anna on web opens root on db."
    )


@pytest.mark.parametrize("kept", [BARE.replace("bare", "locked"), BARE.replace("bbb", "ccc"), OPENS])
def test_a_key_with_a_passphrase_or_of_another_print_opens_nothing(register: Register, kept: str) -> None:
    run = run_of(register, PAIR, [evidence("web", keys=kept), evidence("db", keys=OPENS)])
    assert failing(run, "lateral-key") == set()


def test_a_shared_key_stays_open_while_the_other_machine_is_not_visited(register: Register) -> None:
    run_of(register, PAIR, [evidence("web", keys=BARE), evidence("db", keys=OPENS)])
    alone = run_of(register, replace(PAIR, assets=(DB,), left_out=("web",)), [evidence("db", keys=OPENS)], 1)
    assert said(alone, "lateral-key")["db", "root SHA256:bbb"].outcome is Outcome.UNKNOWN
    assert states(register, "db", "lateral-key") == ["stale"]
    both = [evidence("web", keys=""), evidence("db", keys=OPENS)]
    run_of(register, PAIR, both, 2)
    assert states(register, "db", "lateral-key") == ["fixed"]


def test_a_flaw_that_could_be_reached_stays_open_while_nobody_looks_flaws_up() -> None:
    host = sight(web(), evidence("web", inside=host_side(NGINX), outside=[seen(443)]), [], {})
    before = [
        Finding("web", "exposure", "reachable-flaw/nginx", f"{OWN}:443/tcp nginx", Outcome.FAIL),
        Finding("web", "exposure", "unlisted-exposure", f"{OWN}:9999/tcp", Outcome.FAIL),
    ]
    estate = Estate(inventory(web()))
    estate.take(host, {}, before, NOW.date())
    [(_, found)] = estate.joined(lambda _: before, lambda _: frozenset())
    left = {one.control for one in with_last_known(found.findings, before) if one.outcome is not Outcome.PASS}
    assert "reachable-flaw/nginx" in left
    assert [one.subject for one in found.findings if one.control == "unlisted-exposure"] == [f"{OWN}:443/tcp"]


# ── addresses of nobody ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_that_answers_and_is_in_no_inventory_is_a_risk_of_its_own(register: Register) -> None:
    look = [seen(22, host="10.0.0.7", named=False), seen(443, named=False)]
    run = run_of(register, inventory(web(), OFFICE), [evidence("office", outside=look)])
    assert failing(run, "unknown-asset") == {("office", "10.0.0.7")}
    assert "is in no inventory; open: 22/tcp." in said(run, "unknown-asset")["office", "10.0.0.7"].detail
    assert states(register, "office", "unknown-asset") == ["new"]
    assert any(risk.root_cause == "exposure.unknown-asset" for risk in run.risks)


def test_an_address_is_known_by_its_name_by_the_hosts_own_word_or_though_its_asset_is_left_out(
    register: Register,
) -> None:
    named = Asset("named", address="named.example", access=Access(ssh=Ssh()))
    known = replace(inventory(OFFICE, DB), addresses=("10.0.0.0/28", "named.example", "10.0.0.8"))
    look = [seen(22, host=f"10.0.0.{last}", named=False) for last in (6, 7, 8)]
    told = [
        evidence("office", outside=look),
        evidence("db", inside=host_side(NGINX, addresses=("10.0.0.6", "10.1.0.6"))),
    ]
    assert named.address is not None
    run = run_of(register, known, told, names={"named.example": "10.0.0.7"})
    assert failing(run, "unknown-asset") == set()
    assert {one.outcome for one in said(run, "unknown-asset").values()} == {Outcome.PASS}


def test_the_machine_that_looks_is_no_stranger_and_is_said_to_be_what_it_is(register: Register) -> None:
    look = [seen(22, host="10.0.0.9", named=False, own=True)]
    run = run_of(register, inventory(web(), OFFICE), [evidence("office", outside=look)])
    told = {subject: one.outcome for (_, subject), one in said(run, "unknown-asset").items()}
    assert told == {"": Outcome.PASS, "10.0.0.9": Outcome.NOT_APPLICABLE}
    look += [seen(22, host="10.0.0.7", named=False)]
    run = run_of(register, inventory(web(), OFFICE), [evidence("office", outside=look)], 1)
    assert failing(run, "unknown-asset") == {("office", "10.0.0.7")}


def test_while_a_name_does_not_resolve_no_address_is_called_unknown(register: Register) -> None:
    known = replace(inventory(OFFICE), addresses=("10.0.0.0/28", "dead.example"))
    run = run_of(register, known, [evidence("office", outside=[seen(22, host="10.0.0.7", named=False)])])
    one = said(run, "unknown-asset")["office", "10.0.0.7"]
    assert (one.outcome, one.reason) == (Outcome.UNKNOWN, "undetermined")


def test_a_block_that_was_not_looked_at_to_its_end_passes_nothing(register: Register) -> None:
    gap = Gap("10.0.0.0/28", "timed-out", "still busy")
    run = run_of(register, inventory(OFFICE), [evidence("office", outside=[], gaps=(gap,))])
    assert {one.outcome for one in said(run, "unknown-asset").values()} == {Outcome.UNKNOWN}


# ── certificates and host keys over time ─────────────────────────────────────────────────────────────────────────────


def look(*shown: Mapping[str, object], gaps: tuple[Gap, ...] = (), outside: Reply | None = None) -> Evidence:
    return evidence(outside=outside or [seen(22, 443)], shown=list(shown), gaps=gaps)


def outcome(run: Run, subject: str) -> Outcome:
    return said(run, "key-unchanged")["web", subject].outcome


SSH_KEY = f"{OWN}:22/tcp ssh-ed25519"
TLS = f"{OWN}:443/tcp certificate"


def test_a_host_key_that_changed_fails_until_its_new_print_is_in_the_inventory(register: Register) -> None:
    known = inventory(web())
    assert outcome(run_of(register, known, [look(host_key(22, b"one"))]), SSH_KEY) is Outcome.PASS
    assert outcome(run_of(register, known, [look(host_key(22, b"one"))], 1), SSH_KEY) is Outcome.PASS
    for day in (2, 3):
        changed = run_of(register, known, [look(host_key(22, b"two"))], day)
        assert outcome(changed, SSH_KEY) is Outcome.FAIL
        assert "on 2026-11-24" in said(changed, "key-unchanged")["web", SSH_KEY].detail
    new = said(changed, "key-unchanged")["web", SSH_KEY].observed.partition(";")[0]
    host = web()
    assert host.network is not None
    meant = inventory(replace(host, network=replace(host.network, fingerprints=(new,))))
    assert outcome(run_of(register, meant, [look(host_key(22, b"two"))], 4), SSH_KEY) is Outcome.PASS
    assert outcome(run_of(register, known, [look(host_key(22, b"two"))], 5), SSH_KEY) is Outcome.PASS


def test_a_key_that_was_out_of_sight_for_a_while_is_still_held_against_the_first(register: Register) -> None:
    known = inventory(web())
    run_of(register, known, [look(host_key(22, b"one"))])
    run_of(register, known, [look(outside=Reply(problem="unreachable", detail="no route"))], 1)
    closed = run_of(register, known, [look()], 2)
    assert outcome(closed, SSH_KEY) is Outcome.NOT_APPLICABLE
    assert outcome(run_of(register, known, [look(host_key(22, b"two"))], 3), SSH_KEY) is Outcome.FAIL


@pytest.mark.parametrize(
    ("issuer", "days_before_end", "wanted"),
    [
        ("Authority", RENEWAL.days - 1, Outcome.PASS),
        ("Authority", RENEWAL.days + 30, Outcome.FAIL),
        ("Another", 1, Outcome.FAIL),
    ],
    ids=["renewed", "too-early", "another-authority"],
)
def test_a_renewed_certificate_is_told_from_a_replaced_one(
    register: Register, issuer: str, days_before_end: int, wanted: Outcome
) -> None:
    known, ends = inventory(web()), NOW.date() + timedelta(days=days_before_end)
    run_of(register, known, [look(certificate(443, b"one", "Authority", f"{ends}"))])
    later = look(certificate(443, b"two", issuer, "2028-01-01"))
    assert outcome(run_of(register, known, [later], 1), TLS) is wanted


def test_what_could_not_be_read_is_not_said_to_be_the_same(register: Register) -> None:
    known = inventory(web())
    run_of(register, known, [look(host_key(22, b"one"))])
    told = look()
    key = next(key for key in told.replies if "ssh-hostkey" in key)
    gap = Gap(f"{OWN}:22/tcp", "failed", "no answer to nmap's ssh-hostkey")
    blind = replace(told, replies={**told.replies, key: Reply("[]", gaps=(gap,))})
    assert outcome(run_of(register, known, [blind], 1), SSH_KEY) is Outcome.UNKNOWN
