"""Access controls of debian-12 on real Debian roots: each one in good and in bad states, judged at rest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from checks.linux import walk
from checks.linux.system import RELEASE
from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.evaluate import Judge
from scanner.load import read_document
from scanner.model import Access, Asset, Baseline, Chroot, Control, Finding, Outcome
from scanner.plan import plan_asset, plan_baseline
from scanner.transports import Bounds, transport
from tests.answers import sent

from .roots import ENVIRONMENT, debian_root, overlaid, run_in, why_not
from .test_linux_system import STATES as SYSTEM

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(why_not()), reason=why_not() or "it runs")]

STATES = Path(__file__).parent / "states"
FILES = ("accounts", "pam", "passwords", "ssh", "sudo")
PACKAGES = ("openssh-server", "sudo", "libpam-pwquality", "cron", "at", "login", "passwd", "libpam-runtime")
GOOD = {Outcome.PASS}
"""What a good state may give; not-applicable would prove nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One root in one state, and what a control should say of it."""

    control: str
    state: str
    script: str
    good: bool


CATALOGUE = Catalogue()


@cache
def baseline() -> Baseline:
    return read_baseline(CATALOGUE.baseline_file("debian-12"), CATALOGUE)


def controls() -> dict[str, Control]:
    return {control.id: control for control in baseline().controls}


def findings(ids: Iterable[str], root: Path) -> list[Finding]:
    """What some controls say of a root at rest, through the transport that image audits use."""
    asset = Asset("root", access=Access(chroot=Chroot(str(root))))
    planned = plan_asset(asset, [plan_baseline(baseline(), CATALOGUE, {"id": frozenset(ids)})])
    replies = transport("chroot").visit(asset, planned.visits["chroot"], Bounds())
    evidence = make_evidence("root", {probe.key: reply for probe, reply in replies.items()}, {})
    return Judge().findings(planned, evidence)


def cases() -> Iterator[Case]:
    for name in FILES:
        document = read_document(STATES / f"{name}.yaml")
        for row in document.get("keywords", []):
            yield from keyword_cases(row)
        for row in document.get("states", []):
            for word in ("good", "bad"):
                for state, script in row[word].items():
                    yield Case(row["control"], f"{word}-{state}", row.get("before", "") + script, word == "good")
    yield from access_cases()


def keyword_cases(row: dict[str, Any]) -> Iterator[Case]:
    """Every form in which a keyword of sshd_config can be written, well or badly."""
    keyword, main, drop_in = row["keyword"], "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d"
    clear = f"sed -i '/^[ \t]*{keyword}/Id' {main}\n"
    right, wrong = row["right"][0], row["wrong"][0]
    good = {f"value-{value}": f"echo '{keyword} {value}' >> {main}" for value in row["right"]} | {
        "small-letters": f"echo '{keyword.lower()} {right}' >> {main}",
        "capitals": f"echo '{keyword.upper()} {right}' >> {main}",
        "white-space": f"printf '  \\t{keyword}\\t {right} \\t\\n' >> {main}",
        "equals-sign": f"echo '{keyword}={right}' >> {main}",
        "quoted": f"echo '{keyword} \"{right}\"' >> {main}",
        "remark-behind": f"echo '{keyword} {right} # as agreed' >> {main}",
        "drop-in": f"echo '{keyword} {right}' > {drop_in}/50-site.conf",
        "twice-the-same": f"echo '{keyword} {right}' >> {main}; echo '{keyword} {right}' > {drop_in}/50-site.conf",
        "for-all-by-match": f"printf 'Match all\\n{keyword} {right}\\n' >> {main}",
    }
    bad = {f"value-{value}": f"echo '{keyword} {value}' >> {main}" for value in row["wrong"]} | {
        "not-set": "true",
        "commented": f"echo '#{keyword} {right}' >> {main}",
        "drop-in": f"echo '{keyword} {wrong}' > {drop_in}/50-site.conf",
        "drop-in-first": f"echo '{keyword} {wrong}' > {drop_in}/50-site.conf; echo '{keyword} {right}' >> {main}",
        "first-drop-in-first": (
            f"echo '{keyword} {wrong}' > {drop_in}/10.conf; echo '{keyword} {right}' > {drop_in}/20.conf"
        ),
        "contradicted": f"printf '{keyword} {right}\\n{keyword} {wrong}\\n' >> {main}",
        "drop-in-not-read": f"echo '{keyword} {right}' > {drop_in}/50-site.conf; sed -i '/^Include/d' {main}",
        "drop-in-of-another-name": f"echo '{keyword} {right}' > {drop_in}/50-site.conf.off",
        "only-for-some": f"printf 'Match User bob\\n{keyword} {right}\\n' >> {main}",
    }
    silent = ("not-set", "commented", "drop-in-not-read", "drop-in-of-another-name", "only-for-some")
    if row.get("good_by_default"):
        good |= {state: bad.pop(state) for state in silent}
    for word, states in (("good", good), ("bad", bad)):
        for state, script in states.items():
            yield Case(row["control"], f"{word}-{state}", clear + script, word == "good")


def access_cases() -> Iterator[Case]:
    """Owner, group and mode of each file that a control names, made from what the control expects."""
    for control in controls().values():
        for term in control.terms if control.check.startswith("linux.files.") else ():
            path = term.given["path"]
            here = f"mkdir -p $(dirname {path}); [ -e {path} ] || touch {path}\n"
            yield from _access_of(control.id, term.check.rsplit(".", 1)[-1], path, here, dict(term.expect))


def _access_of(control: str, kind: str, path: str, here: str, expect: dict[str, Any]) -> Iterator[Case]:
    if kind in {"owner", "group"}:
        change = "chown" if kind == "owner" else "chgrp"
        for name in expect.get("one_of") or [expect["equals"]]:
            yield Case(control, f"good-{name}", f"{here}{change} {name} {path}", True)
        yield Case(control, "bad-games", f"{here}{change} games {path}", False)
        yield Case(control, "bad-unknown-number", f"{here}{change} 4711 {path}", False)
    elif kind == "mode":
        most = int(expect["mode_at_most"], 8)
        yield Case(control, "good-as-wanted", f"{here}chmod {most:04o} {path}", True)
        yield Case(control, "good-stricter", f"{here}chmod {most & 0o700:04o} {path}", True)
        for bit in (0o004, 0o002, 0o020, 0o001, 0o4000):
            if not most & bit:
                yield Case(control, f"bad-{bit:o}-more", f"{here}chmod {most | bit:04o} {path}", False)
    elif kind == "exists":
        wanted = expect["equals"]
        yield Case(control, "there", here, wanted)
        yield Case(control, "not-there", f"rm -f {path}", not wanted)
    elif kind == "text":
        notice = "Authorized users only. All activity may be monitored and reported."
        yield Case(control, "good-notice", f"echo '{notice}' > {path}", True)
        yield Case(control, "good-on-two-lines", f"echo '{notice}' | sed 's/only\\. /&\\n/' > {path}", True)
        yield Case(control, "bad-empty", f": > {path}", False)
        yield Case(control, "bad-with-release", f"printf '{notice}\\n\\\\\\\\r on \\\\\\\\m\\n' > {path}", False)
        yield Case(control, "bad-as-installed", "true", False)


WALKED = {
    "FILE-12": {
        "good-as-installed": "true",
        "good-sticky": "mkdir -m 1777 /srv/shared",
        "good-link": "ln -s /etc/passwd /srv/link",
        "bad-file": "touch /srv/open; chmod 666 /srv/open",
        "bad-folder": "mkdir -m 777 /srv/open",
        "bad-odd-name": "touch '/srv/a\nb'; chmod 666 '/srv/a\nb'",
    },
    "FILE-13a": {"good-as-installed": "true", "bad-file": "touch /srv/lost; chown 4711 /srv/lost"},
    "FILE-14": {
        "good-as-installed": "true",
        "good-program-of-root-alone": "cp /bin/true /usr/local/bin/tool; chmod 700 /usr/local/bin/tool",
        "bad-set-user-id": "cp /bin/true /usr/local/bin/tool; chmod 4755 /usr/local/bin/tool",
        "bad-set-group-id": "cp /bin/true /srv/tool; chgrp shadow /srv/tool; chmod 2755 /srv/tool",
    },
    "FILE-13b": {"good-as-installed": "true", "bad-file": "touch /srv/lost; chgrp 4711 /srv/lost"},
}


def walk_cases() -> Iterator[Case]:
    for control, states in WALKED.items():
        for state, script in states.items():
            yield Case(control, state, script, state.startswith("good"))


ALL = [*cases(), *walk_cases()]


@pytest.fixture(scope="module")
def lower() -> Path:
    return debian_root(*PACKAGES)


@pytest.mark.parametrize("control", sorted({case.control for case in ALL}))
def test_a_control_tells_its_good_states_from_its_bad_ones(control: str, lower: Path) -> None:
    wrong = []
    for case in (case for case in ALL if case.control == control):
        with overlaid(lower) as root:
            run_in(root, case.script)
            said = findings([control], root)
        outcomes = {finding.outcome for finding in said}
        fits = outcomes == GOOD if case.good else Outcome.FAIL in outcomes
        if not fits:
            wrong.append(
                f"{case.state}: {[(f.subject, f.outcome.value, f.observed, f.reason, f.detail) for f in said]}"
            )
    assert not wrong, "\n".join(wrong)


def test_no_access_control_is_unknown_on_an_installed_root(lower: Path) -> None:
    mine = {case.control for case in ALL}
    with overlaid(lower) as root:
        unknown = {
            finding.control: (finding.reason, finding.detail)
            for finding in findings(mine, root)
            if finding.outcome is Outcome.UNKNOWN
        }
    assert not unknown


def test_every_access_control_has_a_good_and_a_bad_state() -> None:
    prefixes = ("ACC-", "BAN-", "CRON-", "FILE-", "PAM-", "PWD-", "SSH-", "SUDO-")
    both = {case.control for case in ALL if case.good} & {case.control for case in ALL if not case.good}
    good, bad = ({id for state in SYSTEM for id in state.get(word, [])} for word in ("pass", "fail"))
    assert {id for id in controls() if id.startswith(prefixes)} <= both | (good & bad)


def walked(root: Path, entries: int) -> str:
    command = ["chroot", str(root), "/bin/sh", "-c", walk.script(entries)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=True)
    return done.stdout


def judged_by(text: str) -> dict[str, Finding]:
    asset = Asset("root", access=Access(chroot=Chroot("/")))
    planned = plan_asset(asset, [plan_baseline(baseline(), CATALOGUE, {"id": frozenset(WALKED)})])
    texts = {walk.WALKED.probe.key: text, RELEASE.probe.key: '{"/etc/os-release": "ID=debian\\nVERSION_ID=12\\n"}'}
    evidence = make_evidence("root", {key: sent(key, reply) for key, reply in texts.items()}, {})
    return {finding.control: finding for finding in Judge().findings(planned, evidence)}


def test_a_walk_that_reaches_its_bound_ends_there_and_leaves_its_controls_open(lower: Path) -> None:
    with overlaid(lower) as root:
        run_in(root, "mkdir -p /srv/many; cd /srv/many; seq 3000 | xargs touch; rm -rf /tmp/* /var/tmp/*")
        cut, whole = walked(root, 500), walked(root, walk.MAX_ENTRIES)
        run_in(root, "chmod 666 /srv/many/*; chown 4711 /srv/many/*")
        seen = walked(root, walk.MAX_ENTRIES)
    assert "\nE 501\n" in f"\n{cut}"
    assert {(one.outcome, one.reason) for one in judged_by(cut).values()} == {(Outcome.UNKNOWN, "truncated")}
    assert {one.outcome for one in judged_by(whole).values()} == {Outcome.PASS}
    # what was seen before the bound is a finding all the same
    stopped = judged_by(seen.replace("\nE ", "\nT\nE "))
    assert {stopped[name].outcome for name in ("FILE-12", "FILE-13a")} == {Outcome.FAIL}
    assert stopped["FILE-13b"].reason == "truncated"


def test_a_walk_leaves_out_what_belongs_to_containers(lower: Path) -> None:
    stores = ("/var/lib/docker/overlay2", "/var/lib/containers/storage", "/home/ana/.local/share/containers/storage")
    with overlaid(lower) as root:
        run_in(root, "".join(f"mkdir -p {place}; touch {place}/x; chmod 666 {place}/x\n" for place in stores))
        inside = judged_by(walked(root, walk.MAX_ENTRIES))
        run_in(root, "mkdir -p /home/ana/storage; touch /home/ana/storage/x; chmod 666 /home/ana/storage/x")
        beside = judged_by(walked(root, walk.MAX_ENTRIES))
    assert inside["FILE-12"].outcome is Outcome.PASS
    assert beside["FILE-12"].outcome is Outcome.FAIL
    assert beside["FILE-12"].observed == "/home/ana/storage/x"
