"""Both sides of a host joined: each rule over its facts, and what it never says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from scanner.exposure.across import own_views
from scanner.exposure.joining import Joined, of_host
from scanner.exposure.rules import BASELINE, OF_HOSTS, RULES, WHOLE
from scanner.exposure.sights import sight
from scanner.model import Access, Asset, Chroot, Control, Effect, Evidence, Finding, Gap, Local, Outcome, Reply, Term
from scanner.score import Policy, score_asset, weaknesses, zone_of

from .exposed import OWN, evidence, host_side, seen, socket, web

FLAW = Control(
    id="DSA-1/nginx", title="nginx has no flaw CVE-2026-1", why="w", fix="upgrade", exploit=5,
    effect=Effect("partial", "partial", "none"), root_cause="upgrade nginx", references={"cve": ("CVE-2026-1",)},
)  # fmt: skip
ROOT_LOGIN = Control(
    id="SSH-20", title="Root cannot log in over SSH", why="w", fix="f", exploit=4, check="linux.sshd.setting",
    root_cause="ssh.permit-root-login",
)  # fmt: skip
NO_PASSWORD = Control(
    id="SUDO-04", title="Nobody becomes root by sudo without a password", why="w", fix="f", vector="local", exploit=4,
    effect=Effect("total", "total", "total"), check="linux.sudo.without_password",
)  # fmt: skip
EGRESS = Control(
    id="FW-27c", title="nftables drops what goes out and no rule names", why="w", fix="f", root_cause="fw",
    all=(Term("linux.firewall.nft_policy", {"hook": "output"}, {"equals": "drop"}),),
)  # fmt: skip
NGINX, SSHD = socket(443), socket(22, program="/usr/sbin/sshd", package="openssh-server")


def failed(control: Control, baseline: str = "debian-12", subject: str = "", observed: str = "bad") -> Finding:
    return Finding("web", baseline, control.id, subject, Outcome.FAIL, observed=observed)


def joined(asset: Asset, told: Evidence, *failures: tuple[Control, Finding]) -> Joined:
    controls = {(one.baseline, one.control): control for control, one in failures}
    host = sight(asset, told, [one for _, one in failures], controls)
    return of_host(host, *own_views(host))


def hits(found: Joined, rule: str) -> dict[str, str]:
    """Subject -> the sentence of every failure of one rule."""
    return {
        one.subject: one.detail
        for one in found.findings
        if one.outcome is Outcome.FAIL and one.control.partition("/")[0] == rule
    }


def outcomes(found: Joined) -> dict[str, Outcome]:
    return {one.control: one.outcome for one in found.findings}


WATCHED = Control(id="advisories-are-fresh", title="Fresh advisories exist", why="w", fix="f")
FILTER = Control(id="FW-01", title="One tool sets the packet filter", why="w", fix="f", check="linux.firewall.tool")
FRESH = WATCHED, Finding("web", "vulnerabilities", WATCHED.id, "", Outcome.PASS)


def said(
    control: Control, outcome: Outcome, reason: str = "", observed: str = "", detail: str = ""
) -> tuple[Control, Finding]:
    """What a control said of the host."""
    return control, Finding("web", "debian-12", control.id, "", outcome, reason, observed, "", detail)


def test_a_host_whose_listeners_are_all_expected_passes_every_rule() -> None:
    told = evidence(inside=host_side(NGINX), outside=[seen(443, closed="1-442")])
    found = joined(web(expected=("443/tcp",)), told, FRESH)
    assert outcomes(found) == dict.fromkeys((WHOLE, *OF_HOSTS), Outcome.PASS)


def test_where_flaws_were_not_looked_up_no_path_through_one_is_ruled_out() -> None:
    told = evidence(inside=host_side(NGINX), outside=[seen(443)])
    unsure = {"reachable-flaw", "reach-then-rise", "way-out", "unsupported-and-exposed"}
    found = joined(web(expected=("443/tcp",)), told)
    assert {one.control for one in found.findings if one.outcome is Outcome.UNKNOWN} == unsure
    assert {one.reason for one in found.findings if one.control == "reachable-flaw"} == {"no-feed"}
    stale = WATCHED, replace(FRESH[1], outcome=Outcome.UNKNOWN, reason="feed-too-old", detail="40 days")
    found = joined(web(expected=("443/tcp",)), told, stale)
    assert {one.control for one in found.findings if one.outcome is Outcome.UNKNOWN} == unsure - {
        "unsupported-and-exposed"  # when the release ends is known all the same
    }


def test_where_nothing_can_be_reached_no_feed_is_needed_to_say_so() -> None:
    found = joined(web(), evidence(inside=host_side(), outside=[seen(closed="1-1000")]))
    assert outcomes(found) == dict.fromkeys((WHOLE, *OF_HOSTS), Outcome.PASS)


@pytest.mark.parametrize(("subject", "outcome"), [("nginx", Outcome.UNKNOWN), ("bash", Outcome.PASS)])
def test_a_package_that_listens_and_could_not_be_compared_rules_nothing_out(subject: str, outcome: Outcome) -> None:
    told = evidence(inside=host_side(NGINX), outside=[seen(443)])
    odd = FLAW, failed(FLAW, "vulnerabilities", subject)
    odd = FLAW, replace(odd[1], outcome=Outcome.UNKNOWN, reason="could-not-compare")
    assert outcomes(joined(web(), told, FRESH, odd))["reachable-flaw"] is outcome


def test_a_program_of_no_package_rules_nothing_out() -> None:
    rows = socket(443, program="/srv/own", package="")
    found = joined(web(), evidence(inside=host_side(rows), outside=[seen(443)]), FRESH)
    [one] = [each for each in found.findings if each.control == "reachable-flaw"]
    assert (one.outcome, one.reason) == (Outcome.UNKNOWN, "not-covered")


@pytest.mark.parametrize(
    ("egress", "outcome"),
    [
        ([said(EGRESS, Outcome.PASS)], Outcome.PASS),
        ([said(EGRESS, Outcome.UNKNOWN, "denied")], Outcome.UNKNOWN),
        ([said(EGRESS, Outcome.NOT_APPLICABLE)], Outcome.UNKNOWN),
        ([], Outcome.UNKNOWN),
        ([said(FILTER, Outcome.FAIL, observed="none")], Outcome.FAIL),
        ([said(FILTER, Outcome.FAIL, observed="nftables, ufw")], Outcome.UNKNOWN),
        ([said(EGRESS, Outcome.PASS), said(FILTER, Outcome.PASS, observed="nftables")], Outcome.PASS),
    ],
)
def test_the_way_out_is_shut_only_where_something_is_known_to_hold_it(
    egress: list[tuple[Control, Finding]], outcome: Outcome
) -> None:
    told = evidence(inside=host_side(SSHD), outside=[seen(22)])
    found = joined(web(), told, FRESH, (ROOT_LOGIN, failed(ROOT_LOGIN)), *egress)
    assert outcomes(found)["way-out"] is outcome


def test_a_local_way_to_all_rights_that_could_not_be_looked_for_is_not_ruled_out() -> None:
    told = evidence(inside=host_side(SSHD), outside=[seen(22)])
    denied = said(NO_PASSWORD, Outcome.UNKNOWN, "denied", detail="sudo wants a password")
    found = outcomes(joined(web(), told, FRESH, (ROOT_LOGIN, failed(ROOT_LOGIN)), denied))
    assert found["reach-then-rise"] is Outcome.UNKNOWN
    assert outcomes(joined(web(), told, FRESH, denied))["reach-then-rise"] is Outcome.PASS  # no way in


def test_what_sshd_was_not_asked_may_be_a_way_in() -> None:
    told = evidence(inside=host_side(SSHD), outside=[seen(22)])
    found = outcomes(joined(web(), told, FRESH, said(ROOT_LOGIN, Outcome.UNKNOWN, "denied")))
    assert {rule for rule, outcome in found.items() if outcome is Outcome.UNKNOWN} == {"reach-then-rise", "way-out"}


def test_a_flaw_is_reachable_where_its_program_listens_on_a_port_seen_open() -> None:
    told = evidence(inside=host_side(NGINX), outside=[seen(443)], installed=["nginx"])
    found = joined(web(), told, (FLAW, failed(FLAW, "vulnerabilities", "nginx", "nginx 1.0")))
    (sentence,) = hits(found, "reachable-flaw").values()
    assert sentence == (
        f"nginx of package nginx answers at {OWN}:443/tcp, seen open from here, and has a known flaw; "
        "the worst: CVE-2026-1."
    )
    control = found.controls[BASELINE, "reachable-flaw/nginx"]
    assert (control.exploit, control.cause, control.references["cve"]) == (5, "upgrade nginx", ("CVE-2026-1",))


def test_a_flaw_in_a_library_that_a_listener_has_mapped_is_reachable() -> None:
    rows = [*NGINX, "l 443 there /usr/lib/libssl.so.3", "d libssl3 /lib/libssl.so.3"]
    flaw = replace(FLAW, id="DSA-2/openssl", title="openssl has no flaw CVE-2026-2")
    told = evidence(inside=host_side(rows), outside=[seen(443)], installed=["libssl3:openssl"])
    found = joined(web(), told, (flaw, failed(flaw, "vulnerabilities", "openssl")))
    assert "through libssl3" in next(iter(hits(found, "reachable-flaw").values()))


@pytest.mark.parametrize(
    ("inside", "outside", "flaw"),
    [
        (NGINX, seen(22, closed="443"), FLAW),
        (socket(443, "127.0.0.1"), seen(443), FLAW),
        (NGINX, seen(443), replace(FLAW, vector="local")),
        (socket(443, "10.0.0.6"), seen(443), FLAW),
    ],
    ids=["closed", "loopback", "local-flaw", "another-address"],
)
def test_a_flaw_that_cannot_be_reached_is_not_said_to_be(
    inside: Sequence[str], outside: dict[str, Any], flaw: Control
) -> None:
    told = evidence(inside=host_side(inside), outside=[outside], installed=["nginx"])
    found = joined(web(), told, (flaw, failed(flaw, "vulnerabilities", "nginx")))
    assert hits(found, "reachable-flaw") == {}


def test_an_unlisted_open_port_names_its_program() -> None:
    found = joined(web(expected=("22/tcp",)), evidence(inside=host_side(NGINX, SSHD), outside=[seen(22, 443)]))
    assert hits(found, "unlisted-exposure") == {
        f"{OWN}:443/tcp": f"nginx of package nginx answers at {OWN}:443/tcp, seen open from here; "
        "the inventory expects 22/tcp."
    }


def test_what_answers_and_is_on_no_list_of_the_host_is_a_shadow_listener() -> None:
    found = joined(web(), evidence(inside=host_side(NGINX), outside=[seen(443, 4444)]))
    assert set(hits(found, "shadow-listener")) == {f"{OWN}:4444/tcp"}


def test_what_only_the_firewall_keeps_shut_is_told_apart_from_what_is_bound_to_one_address() -> None:
    inside = host_side(NGINX, socket(5432, "10.0.0.6", "/usr/bin/postgres"), socket(6379, program="/usr/bin/redis"))
    found = joined(web(), evidence(inside=inside, outside=[seen(443, filtered="5000-7000")]))
    assert set(hits(found, "only-the-firewall")) == {f"{OWN}:6379/tcp"}


def test_a_port_that_was_not_looked_at_proves_nothing_about_the_firewall() -> None:
    found = joined(web(), evidence(inside=host_side(NGINX, socket(6379)), outside=[seen(443, filtered="1-442")]))
    assert hits(found, "only-the-firewall") == {}


def test_a_weak_service_and_a_local_way_to_all_rights_are_one_path() -> None:
    told = evidence(inside=host_side(SSHD), outside=[seen(22)])
    found = joined(web(), told, (ROOT_LOGIN, failed(ROOT_LOGIN)), (NO_PASSWORD, failed(NO_PASSWORD, observed="anna")))
    (sentence,) = hits(found, "reach-then-rise").values()
    assert "Root cannot log in over SSH" in sentence
    assert "Nobody becomes root by sudo without a password is not so (anna)" in sentence
    assert found.controls[BASELINE, "reach-then-rise"].cause == "ssh.permit-root-login"


def test_a_known_flaw_that_gives_all_rights_is_told_as_one() -> None:
    told = evidence(inside=host_side(SSHD), outside=[seen(22)])
    local = replace(FLAW, id="DSA-2/sudo", vector="local", effect=Effect("total", "total", "total"))
    rise = local, failed(local, "vulnerabilities", "sudo", "sudo 1.9.1")
    (sentence,) = hits(joined(web(), told, (ROOT_LOGIN, failed(ROOT_LOGIN)), rise), "reach-then-rise").values()
    assert sentence.endswith("Whoever gets in there can gain all rights: sudo 1.9.1 has the flaw CVE-2026-1.")


def test_a_local_weakness_alone_is_no_path() -> None:
    told = evidence(inside=host_side(NGINX), outside=[seen(443)])
    assert hits(joined(web(), told, (NO_PASSWORD, failed(NO_PASSWORD))), "reach-then-rise") == {}


def test_a_way_in_without_anything_that_holds_back_what_goes_out_is_told() -> None:
    told = evidence(inside=host_side(SSHD), outside=[seen(22)])
    found = joined(web(), told, (ROOT_LOGIN, failed(ROOT_LOGIN)), (EGRESS, failed(EGRESS)))
    assert "Nothing holds back what goes out" in hits(found, "way-out")[""]
    assert hits(joined(web(), told, (EGRESS, failed(EGRESS))), "way-out") == {}


def test_a_listener_that_runs_replaced_code_is_told_only_where_it_can_be_reached() -> None:
    rows = [*NGINX, "l 443 gone /usr/lib/libssl.so.3"]
    found = joined(web(), evidence(inside=host_side(rows), outside=[seen(443)]))
    assert "still runs /usr/lib/libssl.so.3" in hits(found, "fixed-but-running")[f"{OWN}:443/tcp"]
    assert (
        hits(joined(web(), evidence(inside=host_side(rows), outside=[seen(closed="443")])), "fixed-but-running") == {}
    )


def test_an_ended_release_that_can_be_reached_is_told() -> None:
    ended = Control(id="UPD-05", title="The release still gets security updates", why="w", fix="f",
                    check="linux.updates.days_of_care_left", root_cause="updates.release")  # fmt: skip
    found = joined(
        web(), evidence(inside=host_side(NGINX), outside=[seen(443)]), (ended, failed(ended, observed="-40"))
    )
    assert hits(found, "unsupported-and-exposed")[""].endswith(f"and can be reached at {OWN}:443/tcp.")


def test_a_list_of_sockets_that_was_denied_leaves_every_rule_unknown() -> None:
    denied = Reply(problem="denied", detail="sudo wants a password")
    found = joined(web(), evidence(inside=denied, outside=[seen(443)]))
    assert {(one.outcome, one.reason) for one in found.findings} == {(Outcome.UNKNOWN, "denied")}
    assert {one.control for one in found.findings} == {WHOLE, *OF_HOSTS}


def test_a_look_that_did_not_finish_passes_nothing_and_still_tells_what_it_saw() -> None:
    gap = Gap(OWN, "timed-out", "too slow")
    told = evidence(inside=host_side(NGINX), outside=[seen(443, 4444)], gaps=(gap,))
    found = joined(web(expected=("443/tcp", "4444/tcp")), told)
    assert set(hits(found, "shadow-listener")) == {f"{OWN}:4444/tcp"}
    assert Outcome.PASS not in {one.outcome for one in found.findings}
    assert ("shadow-listener", "(not seen)") in {(one.control, one.subject) for one in found.findings}


def test_an_unreachable_host_leaves_every_rule_unknown() -> None:
    found = joined(web(), evidence(inside=host_side(NGINX), outside=Reply(problem="unreachable", detail="no route")))
    assert {one.reason for one in found.findings} == {"unreachable"}


def test_a_root_file_system_at_rest_listens_nowhere() -> None:
    rest = replace(web(), access=Access(chroot=Chroot("/srv/image")))
    found = joined(rest, evidence(inside=Reply(problem="not-running"), outside=[seen(443)]))
    assert set(outcomes(found).values()) == {Outcome.NOT_APPLICABLE}


@pytest.mark.parametrize("access", [None, Access(local=Local())])
def test_a_host_that_nobody_asked_or_that_looks_at_itself_is_not_joined(access: Access | None) -> None:
    told = evidence(inside=host_side(NGINX) if access else None, outside=[seen(443)])
    assert joined(replace(web(), access=access), told) == Joined()


def test_a_listener_in_a_container_lends_the_host_no_package() -> None:
    rows = [line.replace("i /proc/443/exe 8:443", "i /proc/443/exe 99:7") for line in NGINX]
    told = evidence(inside=host_side(rows), outside=[seen(443)], installed=["nginx"])
    found = joined(web(), told, (FLAW, failed(FLAW, "vulnerabilities", "nginx")))
    assert hits(found, "reachable-flaw") == {}
    assert "nginx in a container" in hits(found, "unlisted-exposure")[f"{OWN}:443/tcp"]


# ── what it weighs ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_seen_open_from_the_internet_weighs_as_on_the_internet_and_counts_once() -> None:
    host = web(viewpoint="internet", zone="restricted", expected=("443/tcp",))
    told = evidence(inside=host_side(NGINX), outside=[seen(443)], installed=["nginx"])
    flaw = failed(FLAW, "vulnerabilities", "nginx")
    found = joined(host, told, (FLAW, flaw))
    seen_so = replace(host, seen_from=found.seen_from)
    controls = {("vulnerabilities", FLAW.id): FLAW, **found.controls}
    both, alone = [flaw, *found.findings], [flaw]
    assert zone_of(seen_so, FLAW) == "internet"
    assert zone_of(seen_so, NO_PASSWORD) == "restricted"
    policy = Policy()
    assert score_asset(seen_so, both, controls, policy).expected_loss == pytest.approx(
        score_asset(seen_so, alone, controls, policy).expected_loss
    )
    assert (
        score_asset(seen_so, alone, controls, policy).expected_loss
        > score_asset(host, alone, controls, policy).expected_loss
    )


def test_a_viewpoint_that_is_no_zone_or_is_farther_away_lowers_nothing() -> None:
    for viewpoint in ("office", "restricted"):
        host = web(viewpoint=viewpoint, zone="internet")
        told = evidence(inside=host_side(NGINX), outside=[seen(443)], installed=["nginx"])
        found = joined(host, told, (FLAW, failed(FLAW, "vulnerabilities", "nginx")))
        assert zone_of(replace(host, seen_from=found.seen_from), FLAW) == "internet"


def test_a_path_weighs_what_both_of_its_steps_allow() -> None:
    told = evidence(inside=host_side(SSHD), outside=[seen(22)])
    found = joined(web(), told, (ROOT_LOGIN, failed(ROOT_LOGIN)), (NO_PASSWORD, failed(NO_PASSWORD)))
    path = [one for one in found.findings if one.control == "reach-then-rise"]
    step = [failed(ROOT_LOGIN)]
    controls = {("debian-12", ROOT_LOGIN.id): ROOT_LOGIN, **found.controls}
    (v_path,) = (one.v for one in weaknesses(web(), path, controls, Policy()))
    (v_step,) = (one.v for one in weaknesses(web(), step, controls, Policy()))
    assert v_path == pytest.approx(v_step * Policy().exploit_steps[NO_PASSWORD.exploit - 1])


def test_every_rule_says_why_and_what_mends_it() -> None:
    for rule in RULES.values():
        assert rule.title
        assert rule.why.endswith((".", "?"))
        assert rule.fix.endswith(".")
