"""Our reading of configuration files against the programs' own: what sshd and sudo make of a text, we make of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scanner.catalogue import Catalogue

from .roots import ENVIRONMENT, debian_root, overlaid, run_in, why_not
from .test_linux_access import PACKAGES

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(why_not()), reason=why_not() or "it runs")]
CATALOGUE = Catalogue()
MAIN, DROP_IN = "etc/ssh/sshd_config", "etc/ssh/sshd_config.d/a.conf"
LOOSE = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with overlaid(debian_root(*PACKAGES)) as made:
        people = "groupadd ops; useradd -G ops bob; useradd carol"
        run_in(made, f"mkdir -p /run/sshd; {people}")
        yield made


VALUES = {
    "PermitRootLogin": ["yes", "no", "prohibit-password", "without-password", "YES"],
    "MaxAuthTries": ["4", "6"],
    "LoginGraceTime": ["60", "1m", "1m30s", "0"],
    "ClientAliveInterval": ["5m", "0", "300"],
    "ClientAliveCountMax": ["0", "3"],
    "LogLevel": ["info", "VERBOSE", "QUIET"],
    "Banner": ["/etc/issue.net", "none", '"/etc/issue"'],
    "MaxStartups": ["10", "10:30:60"],
    "IgnoreRhosts": ["yes", "no", "shosts-only"],
    "UsePAM": ["yes", "no"],
    "DisableForwarding": ["Yes", "no"],
    "PermitUserEnvironment": ["no", "yes", "LANG,LC_*"],
    "Ciphers": ["aes128-ctr", "+aes128-cbc", "-aes*-ctr", "^aes256-ctr"],
    "MACs": ["hmac-sha2-512", "-hmac-sha1*,umac-64*", "+hmac-md5"],
    "KexAlgorithms": ["curve25519-sha256", "-diffie-hellman-*", "^ecdh-sha2-nistp521"],
}
FORMS = ["{} {}", "  {}\t{}", "{}={}", "{} = {}", '{} {} # remark', "#{} {}", "{} {} "]  # fmt: skip
LINES = st.one_of(
    st.tuples(st.sampled_from(FORMS), st.sampled_from([(key, value) for key in VALUES for value in VALUES[key]])).map(
        lambda drawn: drawn[0].format(*drawn[1])
    ),
    st.sampled_from(
        ["Match User bob", "Match all", "Include /etc/ssh/sshd_config.d/*.conf", "include sshd_config.d/a.*", ""]
    ),
)
TEXTS = st.lists(LINES, max_size=9).map(lambda lines: "\n".join(lines) + "\n")


def resolved(key: str, facts: list[Any]) -> Any:
    name = "algorithms" if key in {"ciphers", "macs", "kexalgorithms"} else "setting"
    given = {"key": key} if name == "algorithms" else {"key": key, "view": "effective"}
    observed = CATALOGUE.check(f"linux.sshd.{name}").observe(*facts, **given)
    assert isinstance(observed, dict)
    return observed[""]


@LOOSE
@given(main=TEXTS, drop_in=TEXTS)
def test_files_are_resolved_as_sshd_resolves_them(root: Path, main: str, drop_in: str) -> None:
    assume("nclude" not in drop_in)  # a file that includes itself is refused by both
    # sshd -T prints the names of a later `Match all` although an earlier `no` stays in force
    assume(not ("Match all" in main + drop_in and "LANG" in main + drop_in))
    (root / MAIN).write_text(main)
    (root / DROP_IN).write_text(drop_in)
    command = ["chroot", str(root), "/usr/sbin/sshd", "-T"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)
    assume(said.returncode == 0)  # some keywords are refused inside Match
    daemon, configured, effective = (fact.parse for fact in CATALOGUE.check("linux.sshd.setting").facts)
    lines = configured(json.dumps({f"/{MAIN}": main, f"/{DROP_IN}": drop_in}))
    for key in (key.lower() for key in VALUES):
        mine = resolved(key, [daemon("{}"), lines, None])
        theirs = resolved(key, [daemon("{}"), lines, effective(said.stdout)])
        assert mine == theirs, f"{key}: {mine} here, {theirs} there"


CRITERIA = [
    *(
        "User bob",
        "User b*,!bob",
        "User !bob,*",
        "User=carol",
        "Group ops",
        "Group !ops,*",
        "Host *.example.org",
        "all",
    ),
    *(
        "Address 192.0.2.0/24",
        "Address !192.0.2.7,192.0.2.*",
        "Address 2001:db8::/32",
        "LocalPort 22",
        "User bob Host h*",
    ),
]
BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(CRITERIA), st.sampled_from(["PermitRootLogin", "MaxAuthTries", "Banner"]), st.integers(0, 1)
    ),
    max_size=5,
)


@LOOSE
@given(blocks=BLOCKS, user=st.sampled_from(["bob", "carol"]), address=st.sampled_from(["192.0.2.7", "2001:db8::7"]))
def test_match_blocks_hold_for_a_connection_as_sshd_says(
    root: Path, blocks: list[tuple[str, str, int]], user: str, address: str
) -> None:
    text = "".join(f"Match {criteria}\n  {key} {VALUES[key][which]}\n" for criteria, key, which in blocks)
    (root / MAIN).write_text(text)
    connection = {"user": user, "host": "h1.example.org", "address": address, "local_port": 22}
    asked = f"user={user},host=h1.example.org,addr={address},laddr=192.0.2.1,lport=22"
    command = ["chroot", str(root), "/usr/sbin/sshd", "-T", "-C", asked]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)
    assert said.returncode == 0, said.stderr
    daemon, configured, effective = (fact.parse for fact in CATALOGUE.check("linux.sshd.setting").facts)
    theirs = effective(said.stdout)
    facts = [daemon("{}"), configured(json.dumps({f"/{MAIN}": text})), None]
    groups = {"bob": ["bob", "ops"], "carol": ["carol"]}[user]
    given = {"view": "effective", "connection": {**connection, "groups": groups}}
    for key in ("permitrootlogin", "maxauthtries", "banner"):
        mine = CATALOGUE.check("linux.sshd.setting").observe(*facts, key=key, **given)
        assert mine == {"": theirs[key][0]}, text


SUDOERS = [
    "Defaults use_pty\n",
    "Defaults env_reset, !authenticate , timestamp_timeout = 5 # five\nDefaults !!insults\n",
    'Defaults logfile="/var/log/su do.log",use_pty\nDefaults:anna,bert !use_pty\nDefaults>root passwd_tries=3\n',
    "Defaults!/bin/ls,/bin/cat timestamp_timeout=-1\nDefaults@host1 , host2 !use_pty\n",
    "User_Alias OPS = anna, bert\nDefaults:OPS timestamp_timeout=0\nOPS ALL=(ALL) PASSWD: ALL\n",
    "Defaults badpass_message=no\\,way, \\\n  timestamp_timeout=7\n",
]


@pytest.mark.parametrize("text", SUDOERS)
def test_defaults_are_read_as_sudo_reads_them(root: Path, text: str) -> None:
    (root / "tmp/sudoers").write_text(text)
    command = ["chroot", str(root), "cvtsudoers", "-f", "json", "-e", "/tmp/sudoers"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=True)
    theirs = [
        {name: value for name, value in option.items() if name != "operation"}
        for line in json.loads(said.stdout)["Defaults"]
        for option in line["Options"]
    ]
    read = CATALOGUE.check("linux.sudo.option").facts[1].parse(json.dumps({"/etc/sudoers": text}))
    mine = [{option.name: typed(option.value)} for option in read.options]
    assert mine == [{name: typed_json(value) for name, value in option.items()} for option in theirs]


def typed(value: str | None) -> str | bool:
    return False if value is None else value or True


def typed_json(value: object) -> str | bool:
    return value if isinstance(value, bool) else str(value)
