"""The system checks against hostile texts: a value, or an honest word that none can be given; never a bug or a hang."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.linux.audit_rules import place
from checks.linux.sysctl import dotted
from scanner.catalogue import Catalogue
from scanner.errors import Unparsable, Verdict
from scanner.model import Access, Asset, Chroot, Inventory
from scanner.plan import PlannedTerm, make_plan

from .test_linux_access import ROOMS as ACCESS
from .test_linux_access import by_room, judge_all, named, told

CATALOGUE = Catalogue()
ROOMS = frozenset(check.id.split(".")[1] for check in CATALOGUE.checks() if check.id.startswith("linux.")) - set(ACCESS)
"""Every room of the Linux checks but those that test_linux_access.py looks into: no new one can be forgotten."""
READERS: dict[Callable[[str], Any], None] = {
    fact.parse: None
    for check in CATALOGUE.checks()
    if check.id.startswith("linux.") and check.id.split(".")[1] in ROOMS
    for fact in check.facts
}
WORDS = [
    *"\n\n\n\t\t  =:;,\"'\\#[]{}()!@%+-^*$/.0179",
    *("-a always,exit ", "-w /etc/passwd ", "-p wa ", "-F auid>=1000 ", "-S chmod ", "-e 2\n", "-D\n", "-C uid!=euid "),
    *(
        "net.ipv4.ip_forward",
        "install usb-storage /bin/false",
        "tmpfs /tmp tmpfs nodev 0 0\n",
        "[Journal]\n",
        "Storage",
    ),
    *(
        "table inet filter {\n",
        "chain input {\n",
        "type filter hook input priority 0; policy drop;\n",
        "}\n",
        "flush ruleset",
    ),
    *(
        "*filter\n",
        ":INPUT DROP [0:0]\n",
        "-A INPUT -i lo -j ACCEPT\n",
        "### tuple ### allow tcp 22 x any y in\n",
        " - ",
    ),
    *(
        "== /boot/grub/grub.cfg\n",
        "linux /vmlinuz audit=1\n",
        "set superusers=",
        "password_pbkdf2 a grub.pbkdf2",
        "GRUB_X=",
    ),
    *(
        "lists 1 1\n",
        "bash 1 2\n",
        "end\n",
        "deb http://x y z\n",
        "Types: deb\n",
        "URIs: x\n",
        "profile x {\n",
        " (enforce)\n",
    ),
    *(
        "f\t1\t/etc/systemd/system/a.service\t\n",
        "l\t9\t/etc/systemd/system/b.service\tb.service\n",
        "r\t0\t/etc/rc2.d/S01x\t\n",
    ),
    *(
        "ii \ta\t1\n",
        "640 root adm /var/log/x\n",
        "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n",
        "/proc/sys/a/b:1\n",
        "0\n",
        "é",
        "\0",
    ),
    *("[main]\n", "gpgcheck=", '<zone target="DROP">', "<rule>", "</zone>", "<!--", "<service name='x'/>", "SELINUX="),
    *(
        "DEFAULT:NO-SHA1\n",
        "hash = SHA1\n",
        "Ciphers aes256-cbc\n",
        'parameters="audit=1"\n',
        "image=/x\n",
        "have\ta\tb\t0:1-1\t",
    ),
    *("public\n--\n", "public (active)\n  target: default\n", "gpg-pubkey\tfd431d51\tx\n", "rpm\t4\tx\n", "1", "end"),
]
TEXTS = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=60).map("".join))
PATHS = [
    *("/etc/sysctl.conf", "/etc/sysctl.d/a.conf", "/etc/ufw/ufw.conf", "/etc/default/ufw", "/etc/ufw/user.rules"),
    *(
        "/etc/modprobe.d/a.conf",
        "/etc/fstab",
        "/etc/systemd/system/tmp.mount",
        "/etc/systemd/system/tmp.mount.d/a.conf",
    ),
    *(
        "/etc/audit/rules.d/a.rules",
        "/etc/systemd/journald.conf",
        "/etc/systemd/journald.conf.d/a.conf",
        "/etc/rsyslog.conf",
    ),
    *(
        "/etc/nftables.conf",
        "/etc/nftables/a",
        "/etc/iptables/rules.v4",
        "/etc/chrony/chrony.conf",
        "/etc/aide/aide.conf",
    ),
    *(
        "/etc/apt/sources.list",
        "/etc/apt/sources.list.d/a.sources",
        "/etc/security/limits.conf",
        "/etc/postfix/main.cf",
    ),
    *(
        "/etc/dnf/dnf.conf",
        "/etc/yum.repos.d/a.repo",
        "/etc/firewalld/firewalld.conf",
        "/etc/firewalld/zones/public.xml",
    ),
    *("/etc/crypto-policies/config", "/etc/crypto-policies/state/CURRENT.pol", "/etc/zipl.conf", "/etc/selinux/config"),
    *("/etc/crypto-policies/back-ends/openssh.config", "/etc/dconf/db/local.d/a", "/etc/dconf/db/local.d/locks/a"),
]
FILES = st.dictionaries(st.sampled_from(PATHS), TEXTS, max_size=4).map(json.dumps)
REPLIES = st.one_of(TEXTS, FILES)


@pytest.mark.parametrize("reader", READERS, ids=named)
@given(text=REPLIES)
@settings(deadline=None, max_examples=30)
def test_a_reader_gives_a_value_or_says_that_it_cannot_read(reader: Callable[[str], Any], text: str) -> None:
    told(reader, text)


def terms() -> list[PlannedTerm]:
    """Every question that a shipped baseline puts here, one for each check and set of words."""
    asset = Asset("root", access=Access(chroot=Chroot("/")))
    found: dict[tuple[str, str], PlannedTerm] = {}
    for name in ("debian-12", "rhel-9"):
        plan = make_plan(Inventory("test", (asset,)), CATALOGUE, [name])
        for control in (control for one in plan.assets[0].baselines for control in one.controls):
            for term in (*control.terms, *control.when):
                if term.check.id.split(".")[1] in ROOMS:
                    found.setdefault((term.check.id, str(sorted(term.given))), term)
    return list(found.values())


TERMS = terms()


@pytest.mark.parametrize("term", TERMS, ids=[term.check.id for term in TERMS])
@given(texts=st.lists(REPLIES, min_size=4, max_size=4))
@settings(deadline=None, max_examples=30)
def test_a_check_observes_or_says_why_not(term: PlannedTerm, texts: list[str]) -> None:
    values = [told(fact.parse, text) for fact, text in zip(term.check.facts, texts, strict=False)]
    if any(value is None for value in values):
        return  # never reaches the check: the control is unknown, or absent
    with contextlib.suppress(Verdict, Unparsable):
        term.check.observe(*values, **term.given)


HEAVY = [
    *(sign * 20_000 for sign in ("a", " ", "\\", '"', "(", "a ", "a,", "\\ ", "\n", "{", "1", "a.", "+a", "!")),
    *("install " * 4_500, "a" * 15_000 + "=", "[" * 15_000 + "]", "GRUB_X=" + "$GRUB_X" * 3_000, "*." * 10_000 + " x"),
    *("action(" + "type=" * 4_500, 'module(load="' * 2_000, "ct state " * 2_500, "iif lo " * 3_000, "-F " * 7_500),
    *("deb [" + "a=b " * 4_500, "profile " * 3_000 + "{", "set superusers=" * 2_000, "Inst " * 4_500, "1-" * 10_000),
    "GRUB_A=aaaaaaaaaaaaaaaa\n" + "GRUB_A=$GRUB_A$GRUB_A\n" * 40,
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reader", READERS, ids=named)
def test_long_lines_are_read_in_time(reader: Callable[[str], Any]) -> None:
    for text in HEAVY:
        told(reader, text)
        told(reader, f"== /etc/default/grub\n{text}")
        told(reader, json.dumps(dict.fromkeys(PATHS, text)))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("room", sorted(by_room(TERMS)))
def test_long_lines_are_judged_in_time(room: str) -> None:
    for text in HEAVY:
        judge_all(by_room(TERMS)[room], json.dumps(dict.fromkeys(PATHS, text)))


@given(text=st.text(alphabet="abc./1", max_size=30))
def test_a_key_keeps_its_form_once_it_has_it(text: str) -> None:
    assert dotted(dotted(text)) == dotted(text) or "/" in dotted(text).partition(".")[0]


@given(path=st.text(alphabet="abin/r.", max_size=30).map(lambda rest: f"/{rest}"))
def test_a_place_has_one_spelling(path: str) -> None:
    assert place(place(path)) == place(path)
