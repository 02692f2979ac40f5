"""The access checks against hostile texts: a value, or an honest word that none can be given; never a bug or a hang."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.catalogue import Catalogue
from scanner.errors import Unparsable, Verdict
from scanner.model import Access, Asset, Chroot, Inventory
from scanner.plan import PlannedTerm, make_plan

CATALOGUE = Catalogue()
ROOMS = (
    "accounts",
    "authselect",
    "files",
    "homes",
    "motd",
    "pam",
    "passwords",
    "shells",
    "sshd",
    "sshd_files",
    "sudo",
    "system",
    "walk",
)
READERS: dict[Callable[[str], Any], None] = {
    fact.parse: None
    for check in CATALOGUE.checks()
    if check.id.startswith("linux.") and check.id.split(".")[1] in ROOMS
    for fact in check.facts
}
WORDS = [
    *"\n\n\t =:;,\"'\\#[]{}()!@%+-^*$/.0179",
    *("Include ", "Match ", "all", "Port 1", "Defaults ", "@include ", "NOPASSWD:", "User_Alias", "!authenticate"),
    *(
        "custom/x\n",
        "CRYPTO_POLICY=",
        "crypt_style = ",
        "[defaults]\n",
        "deny = ",
        "unlock_time = never\n",
        "minclass = ",
    ),
    *("preauth", "authfail", "pam_faillock.so ", "pam_pwquality.so ", "even_deny_root"),
    *("auth ", "required ", "[default=die] ", "pam_unix.so", " include ", "umask ", "TMOUT=", "readonly ", "PATH="),
    *(
        "root",
        "shadow",
        "today 1\n",
        "A ",
        "H 1 1 1 d:/",
        "F ",
        "w f 1 1 1 /",
        "known U ",
        "E 1",
        "T",
        "absent",
        "é",
        "\0",
    ),
]
TEXTS = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=80).map("".join))
PATHS = ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/a.conf", "/etc/sudoers", "/etc/sudoers.d/a", "/etc/pam.d/su"]
PATHS += [f"/etc/pam.d/common-{type}" for type in ("auth", "account", "password", "session")]
PATHS += ["/etc/profile", "/root/.bashrc", "/etc/login.defs", "/etc/os-release", "/etc/shells", "/etc/default/useradd"]
PATHS += [f"/etc/pam.d/{name}" for name in ("system-auth", "password-auth")]
PATHS += ["/etc/authselect/authselect.conf", "/etc/authselect/custom/x/system-auth", "/etc/libuser.conf"]
PATHS += ["/etc/sysconfig/sshd", "/etc/security/faillock.conf", "/etc/security/pwquality.conf"]
FILES = st.dictionaries(st.sampled_from(PATHS), TEXTS, max_size=4).map(json.dumps)
STATES = st.sampled_from(['{"/etc/x": null}', '{"/etc/passwd": ["644", "0", "0", "root", "root", "regular file"]}'])
REPLIES = st.one_of(TEXTS, FILES, STATES)


def told(reader: Callable[[str], Any], text: str) -> Any:
    """What a reader makes of a text; None where it says, in one of its own words, that it cannot read it."""
    with contextlib.suppress(Unparsable, ValueError, LookupError):
        return reader(text)
    return None


def named(reader: Callable[[str], Any]) -> str:
    return f"{getattr(reader, '__module__', 'builtins')}.{reader.__qualname__}"


@pytest.mark.parametrize("reader", READERS, ids=named)
@given(text=REPLIES)
@settings(deadline=None, max_examples=30)
def test_a_reader_gives_a_value_or_says_that_it_cannot_read(reader: Callable[[str], Any], text: str) -> None:
    told(reader, text)


def terms() -> list[PlannedTerm]:
    """Every question that debian-12 puts here, and one for each check that only rhel-9 asks."""
    asset = Asset("root", access=Access(chroot=Chroot("/")))
    found: dict[tuple[str, str], PlannedTerm] = {}
    for name in ("debian-12", "rhel-9"):
        whole = make_plan(Inventory("test", (asset,)), CATALOGUE, [name])
        known = {id for id, _ in found}
        for term in (term for one in whole.baselines.values() for each in one.controls for term in each.terms):
            if term.check.id.split(".")[1] in ROOMS and term.check.id not in known:
                found[(term.check.id, json.dumps(dict(term.given), sort_keys=True))] = term
    return [found[key] for key in sorted(found)]


TERMS = terms()


@pytest.mark.parametrize("term", TERMS, ids=lambda term: f"{term.check.id}-{'-'.join(map(str, term.given.values()))}")
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_a_check_observes_or_says_why_not(term: PlannedTerm, data: st.DataObject) -> None:
    values = []
    for fact in term.check.facts:
        text = data.draw(FILES if fact.probe.ask[0] == "files" else REPLIES)
        try:
            values.append(fact.parse(text))
        except (Unparsable, ValueError, LookupError):
            return
    with contextlib.suppress(Verdict, Unparsable):
        term.check.observe(*values, **term.given)


HEAVY = [
    *(sign * 20_000 for sign in ("a", " ", "\\", '"', "(", "a ", "a,", "\\ ", "\n", "TMOUT=", "umask ", "Defaults ")),
    "Defaults " + "a," * 10_000,
    "Defaults:" + "a, " * 7_000 + "!",
    "Defaults a" + "!" * 10_000,
    "auth [" + "a=b " * 5_000,
    "auth required x " + "[a " * 5_000,
    "readonly " + "-r " * 6_000,
    "declare " + "-x " * 6_000 + "TMOU",
    "Match " + "User a " * 3_000 + "\nPort 1",
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reader", READERS, ids=named)
def test_long_lines_are_read_in_time(reader: Callable[[str], Any]) -> None:
    for text in HEAVY:
        told(reader, text)
        told(reader, json.dumps(dict.fromkeys(PATHS, text)))


def by_room(terms: Iterable[PlannedTerm]) -> dict[str, list[PlannedTerm]]:
    """Terms by the module of their check."""
    found: dict[str, list[PlannedTerm]] = {}
    for term in terms:
        found.setdefault(term.check.id.split(".")[1], []).append(term)
    return found


def judge_all(terms: Sequence[PlannedTerm], reply: str) -> None:
    """Put one reply to every fact of the terms, each read once."""
    read = {parse: told(parse, reply) for parse in {fact.parse for term in terms for fact in term.check.facts}}
    for term in terms:
        values = [read[fact.parse] for fact in term.check.facts]
        if None not in values:
            with contextlib.suppress(Verdict, Unparsable):
                term.check.observe(*values, **term.given)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("room", sorted(by_room(TERMS)))
def test_long_lines_are_judged_in_time(room: str) -> None:
    for text in HEAVY:
        judge_all(by_room(TERMS)[room], json.dumps(dict.fromkeys(PATHS, text)))
