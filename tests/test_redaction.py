"""Secrets leave evidence at the source; what a check needs, and everything that is no secret, stays."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import redaction
from scanner.errors import UsageError
from scanner.load import read_document
from scanner.model import Gap, Reply
from scanner.redaction import MARK, Redactor, read_salt
from scanner.secrets import Secret, known_values

from .canaries import CANARIES, Canary, as_files

HERE = Redactor(b"a salt of these tests")
CASES = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))


@pytest.mark.parametrize("canary", CANARIES, ids=[one.kind for one in CANARIES])
@pytest.mark.parametrize("around", ["{}", "before\n{}\nafter\n", "\t{}"], ids=["alone", "in lines", "indented"])
@pytest.mark.fault("R3")
def test_no_kind_of_secret_stays_in_a_text(canary: Canary, around: str) -> None:
    said = HERE.text(around.format(canary.text))
    assert canary.value not in said
    assert MARK.search(said)


@pytest.mark.parametrize("canary", CANARIES, ids=[one.kind for one in CANARIES])
def test_no_kind_of_secret_stays_where_tabs_and_returns_stand_for_blanks_and_line_ends(canary: Canary) -> None:
    if "-----BEGIN" in canary.text or "Private-Lines" in canary.text:
        return  # their blanks are part of the format
    place = canary.text.replace(canary.value, "\0").replace(" ", "\t").replace("\n", "\r\n").replace("\0", canary.value)
    assert canary.value not in HERE.text(f"{place}\r\n")
    assert json.dumps(canary.value)[1:-1] not in HERE.text(json.dumps({"/etc/x": f"# a\r\n{place}\r\n"}))


@pytest.mark.parametrize("canary", CANARIES, ids=[one.kind for one in CANARIES])
def test_no_kind_of_secret_stays_in_a_reply_with_many_files(canary: Canary) -> None:
    read: dict[str, str] = json.loads(HERE.text(as_files((canary,))))
    (text,) = read.values()
    assert canary.value not in text
    assert text.startswith("# a comment\n"), "what stands around it stays"
    assert text.endswith("\nnext = line\n")


def test_all_secrets_leave_one_reply_and_it_stays_a_document_of_the_same_files() -> None:
    said = HERE.text(as_files())
    assert list(json.loads(said)) == list(json.loads(as_files()))
    assert [one.kind for one in CANARIES if one.value in said or json.dumps(one.value)[1:-1] in said] == []


def test_the_error_text_and_the_gaps_of_a_reply_are_cleaned_too() -> None:
    text = "curl: password=hunter2hunter2 refused"
    reply = Reply(text, "failed", text, gaps=(Gap("x", "denied", text),))
    assert "hunter2" not in repr(HERE.replies({"k": reply}))


# ── the fingerprint ──────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.text() | st.sampled_from([one.text for one in CANARIES]), max_size=6), st.integers(0, 1))
def test_answers_that_come_together_become_what_each_would_alone(texts: list[str], long: int) -> None:
    texts = [*texts, *(["x" * (redaction._SHORT_LETTERS + 1) + "\npassword=hunter22\n"] * long)]
    found = Redactor(b"salt").replies({str(number): Reply(text) for number, text in enumerate(texts)})
    assert [one.text for one in found.values()] == [Redactor(b"salt").text(text) for text in texts]


def test_the_same_secret_has_the_same_fingerprint_in_every_place_and_shape() -> None:
    texts = ["password=hunter2!x", '{"Password": "hunter2!x"}', "ftp://me:hunter2!x@host/", "bindpw hunter2!x"]
    found = {mark for text in texts for mark in MARK.findall(HERE.text(text))}
    assert found == {HERE.fingerprint("hunter2!x")}


def test_under_another_salt_it_has_another_fingerprint() -> None:
    assert Redactor(b"another").fingerprint("hunter2!x") != HERE.fingerprint("hunter2!x")


def test_the_kind_of_a_hash_and_the_user_of_an_address_stay() -> None:
    assert HERE.text(f"a:$6$salt${'x' * 86}:1:").startswith("a:$6$secret-")
    assert HERE.text("https://me:pw12345@host/x") == f"https://me:{HERE.fingerprint('pw12345')}@host/x"


@given(st.text(max_size=60) | st.sampled_from([one.text for one in CANARIES]))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert HERE.text(HERE.text(text)) == HERE.text(text)


@given(
    st.recursive(st.text(max_size=20) | st.none() | st.integers(), lambda x: st.dictionaries(st.text(max_size=9), x))
)
def test_a_document_stays_a_document_of_the_same_shape(value: Any) -> None:
    def shape(one: Any) -> Any:
        return {key: shape(entry) for key, entry in one.items()} if isinstance(one, dict) else type(one)

    assert shape(json.loads(HERE.text(json.dumps(value)))) == shape(value)


@given(st.text(min_size=redaction.MIN_KNOWN, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_known_value_is_found_in_any_surroundings(value: str, before: str, after: str) -> None:
    said = Redactor(b"x").text(before + value + after, (value,))
    assert value not in MARK.sub("", said) or value in MARK.sub("", said.replace(before, "").replace(after, ""))


def test_a_known_value_is_found_as_part_of_an_address_in_base64_and_in_a_document() -> None:
    value = 'p"ä/ss word'
    known = (value,)
    for text in (f"x {value} y", "x p%22%C3%A4%2Fss%20word y", "Basic cCLDpC9zcyB3b3Jk=", json.dumps([f"{value}!"])):
        assert HERE.fingerprint(value) in HERE.text(text, known)


# ── what is no secret ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "passwd:         files systemd",
        "%sudo ALL=(ALL) NOPASSWD:ALL",
        "%sudo ALL=(ALL) NOPASSWD: ALL",
        "password [success=1 default=ignore] pam_unix.so obscure use_authtok yescrypt",
        "password requisite pam_pwquality.so retry=3",
        "passwordauthentication no",
        "PasswordAuthentication no",
        "permitemptypasswords no",
        "AuthenticationMethods password,publickey",
        "password: min length",
        "Password: must be changed",
        "password must be changed",
        "password authentication\tfailed",
        "password\tinclude\tsystem-auth",
        "-password   optional   pam_gnome_keyring.so use_authtok",
        "password    sufficient  pam_unix.so sha512 shadow",
        "libpam-modules:amd64",
        "passwd\tinstall",
        "systemd-ask-password-wall.path enabled",
        "PASS_MAX_DAYS 365",
        "Cookie: none",
        "net.ipv4.tcp_syncookies = 1",
        "Set-Cookie: a=; Secure",
        "system_u:object_r:passwd_exec_t:s0",
        "x_password:/run/keys/db",
        "enable password policy",
        "user root password expired",
        "password no",
        "pubkeyacceptedalgorithms sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com",
        "GRUB2_PASSWORD=grub.pbkdf2",
        "root:set:yescrypt:19900:0:99999:7::",
        "ClearTextPassword = 0\nPasswordComplexity = 1",
        '{"/etc/pam.d/passwd": "@include common-password\\n"}',
        "password = $DB_PASSWORD",
        "api_key: ${{ secrets.KEY }}",
        "password_file=/run/secrets/db",
        "token = /var/lib/app/token",
        "ssl_key = /etc/ssl/private/key.pem",
        "https://git.example.org:8443/a@b",
        "Password: x",
        "rootpw --lock",
        "-password\t[default=ignore]\tpam_x.so",
        "-a always,exit -F path=/usr/bin/passwd -F perm=x -k passwd",
        "-w /etc/passwd -p wa -k passwd_changes",
        "net.ipv4.conf.all.send_redirects = 0",
        "curl --token-file /x --pass-through",
        "d-i passwd/make-user boolean false",
        "https://git@example.org/x",
        "echo x | passwdqc",
        "docker run -p 8080:80 nginx",
        "cmd /c net use",
        "mkdir -p /var/lib/mongodb",
        "useradd bob; mkdir -p here",
        '{"/x": "useradd bob\\nmkdir -p here"}',
        '[{"Key": "Name", "Value": "db1"}, {"Key": "password_file", "Value": "here"}]',
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2 root@host",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert HERE.text(text) == text


@pytest.mark.parametrize("file", CASES, ids=[f"{one.parent.name}/{one.stem}" for one in CASES])
def test_no_check_sees_another_value_because_of_it(file: Path) -> None:
    """The facts of all cases, cleaned as a visit's replies are: what stays apart from secrets is what is judged."""
    texts = [text for case in read_document(file)["cases"] for text in case.get("facts", []) if isinstance(text, str)]
    assert [HERE.text(text) for text in texts if HERE.text(text) != text] == []


# ── the salt, and what is known ──────────────────────────────────────────────────────────────────────────────────────


def test_the_salt_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        salt = read_salt(tmp_path / "state" / "register.db.salt")
    finally:
        os.umask(before)
    assert len(salt) == 32
    assert read_salt(tmp_path / "state" / "register.db.salt") == salt
    assert stat.S_IMODE((tmp_path / "state" / "register.db.salt").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_salt_that_others_can_read_or_that_is_a_link_is_refused(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open.salt"
    read_salt(open_to_all)
    open_to_all.chmod(0o644)
    (tmp_path / "link.salt").symlink_to(tmp_path / "elsewhere")
    for path in (open_to_all, tmp_path / "link.salt"):
        with pytest.raises(UsageError, match="the salt of fingerprints"):
            read_salt(path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
@pytest.mark.fault("S6", "R3")
def test_a_salt_that_somebody_planted_and_therefore_knows_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "register.db.salt"
    planted.write_bytes(b"x" * 32)
    planted.chmod(0o600)
    os.chown(planted, 61000, 61000)
    with pytest.raises(UsageError, match="belongs to another user, who knows it"):
        read_salt(planted)
    os.chown(tmp_path, 61000, 61000)  # in a folder of that user's own
    assert read_salt(planted) == b"x" * 32


def test_a_secret_that_was_resolved_is_known_and_old_ones_are_forgotten() -> None:
    Secret("canary-known-value", "env:X")
    assert "canary-known-value" in known_values()
    for number in range(200):
        Secret(f"canary-known-{number}", "env:X")
    assert "canary-known-value" not in known_values()
    assert "canary-known-199" in known_values()
