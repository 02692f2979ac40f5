"""The way in over SSH: host keys and credentials."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from scanner import sh, visit
from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.errors import AuthFailed, HostKeyChanged
from scanner.evaluate import Judge
from scanner.model import Asset, Inventory, Outcome, Probe, Reply
from scanner.plan import make_plan
from scanner.transports import Bounds, transport

from .sshd import PASSWORD, USABLE, WHY, Sshd, sshd, threads_left

pytestmark = [pytest.mark.live, pytest.mark.skipif(not USABLE, reason=WHY)]
WHO = sh("id -un")
HOST_KEY = visit("host-key")


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd() as running:
        yield running


@pytest.fixture(scope="module")
def with_passwords() -> Iterator[Sshd]:
    with sshd(PasswordAuthentication="yes") as running:
        yield running


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert threads_left() == []


def go(asset: Asset, bounds: Bounds | None = None) -> Mapping[Probe, Reply]:
    return transport("ssh").visit(asset, [WHO, HOST_KEY], bounds or Bounds(60))


def state(answered: Mapping[Probe, Reply]) -> str:
    return str(json.loads(answered[HOST_KEY].text)["state"])


# ── host keys ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_known_host_key_is_told_with_its_fingerprint(server: Sshd) -> None:
    told = json.loads(go(server.asset())[HOST_KEY].text)
    printed = subprocess.run(["ssh-keygen", "-lf", server.folder / "host_key.pub"], capture_output=True, check=True)
    fingerprint = printed.stdout.decode().split()[1]
    assert told == {"state": "known", "seen": fingerprint, "expected": fingerprint}


@pytest.mark.fault("N5")
def test_a_changed_host_key_is_told_and_the_server_is_not_logged_in_to(tmp_path: Path) -> None:
    with sshd() as running:
        known = tmp_path / "known"
        other = (running.folder / "other_key.pub").read_text()
        known.write_text(f"[127.0.0.1]:{running.port} {other}")
        for policy in ("known", "accept-new"):
            with pytest.raises(HostKeyChanged, match="shows another host key") as refused:
                go(running.asset(known_hosts=(str(known),), host_keys=policy))
            assert state(refused.value.answered) == "changed"
            assert WHO not in refused.value.answered
        assert known.read_text() == f"[127.0.0.1]:{running.port} {other}"
        assert "userauth-request" not in running.log


@pytest.mark.fault("N5")
def test_a_changed_host_key_fails_its_control_and_leaves_all_others_unknown(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {(server.folder / 'other_key.pub').read_text()}")
    asset = replace(server.asset(known_hosts=(str(tmp_path / "known"),)), baselines=("debian-12",))
    (came,) = collect(make_plan(Inventory("lab", (asset,)), Catalogue()).assets, Bounds(60))
    outcomes: dict[Outcome, set[str]] = {}
    for finding in Judge().findings(came.planned, came.evidence):
        outcomes.setdefault(finding.outcome, set()).add(finding.control)
    assert outcomes[Outcome.FAIL] == {"LOGIN-01"}
    assert outcomes.keys() == {Outcome.FAIL, Outcome.UNKNOWN}
    assert len(outcomes[Outcome.UNKNOWN]) > 50
    assert came.evidence.failures["ssh"].startswith("auth-failed: ")


@pytest.mark.fault("N7")
def test_another_type_of_key_than_the_known_one_is_a_changed_key(server: Sshd, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", tmp_path / "rsa"], check=True)
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {(tmp_path / 'rsa.pub').read_text()}")
    with pytest.raises(HostKeyChanged) as refused:
        go(server.asset(known_hosts=(str(tmp_path / "known"),)))
    assert state(refused.value.answered) == "changed"


@pytest.mark.fault("N6")
def test_an_unknown_host_is_refused_and_its_key_not_called_good(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(AuthFailed, match="is unknown; compare it and add") as refused:
        go(server.asset(known_hosts=(str(tmp_path / "none"),)))
    assert not isinstance(refused.value, HostKeyChanged)
    assert refused.value.answered == {}
    assert not (tmp_path / "none").exists()


def test_a_new_host_key_is_learned_once_whoever_comes_first(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "folder" / "known"
    way = server.asset(known_hosts=(str(known),), host_keys="accept-new")
    with ThreadPoolExecutor(4) as pool:
        states = sorted(pool.map(lambda _: state(go(way)), range(4)))
    assert states == ["known", "known", "known", "new"]
    assert known.read_text() == f"[127.0.0.1]:{server.port} {server.host_key}\n"
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    assert state(go(server.asset(known_hosts=(str(known),)))) == "known"


def test_a_key_is_learned_on_a_line_of_its_own_and_nothing_else_changes(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text("# mine\nother.example ssh-ed25519 cut")
    assert state(go(server.asset(known_hosts=(str(known),), host_keys="accept-new"))) == "new"
    lines = known.read_text().splitlines()
    assert lines[:2] == ["# mine", "other.example ssh-ed25519 cut"]
    assert lines[2:] == [f"[127.0.0.1]:{server.port} {server.host_key}"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("@revoked * {key}\n[127.0.0.1]:{port} {key}", "revoked"),
        ("[127.0.0.1]:{port},other {key} a comment", "known"),
        ("127.0.0.1 {key}", "known"),
        ("[127.0.0.*]:{port} {key}", "known"),
        ("[127.0.0.*]:{port},![127.0.0.1]:{port} {key}", "unknown"),
        ("@cert-authority * {key}", "unknown"),
        ("@revoked other {key}\n[127.0.0.1]:{port} {other}", "changed"),
        ("[127.0.0.1]:{port} {other}\n[127.0.0.1]:{port} {key}", "known"),
        ("[127.0.0.1]:1 {key}", "unknown"),
        ("[127.0.0.1]:{port} ssh-rsa {key}", "unknown"),
    ],
)
@pytest.mark.fault("I8")
def test_known_hosts_is_read_as_ssh_reads_it(server: Sshd, tmp_path: Path, line: str, expected: str) -> None:
    other = " ".join((server.folder / "other_key.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(line.format(key=server.host_key, other=other, port=server.port) + "\n")
    asset = server.asset(known_hosts=(str(tmp_path / "known"),))
    if expected == "known":
        assert state(go(asset)) == "known"
        return
    with pytest.raises(AuthFailed) as refused:
        go(asset)
    assert (refused.value.answered == {}) if expected == "unknown" else state(refused.value.answered) == expected
    assert _openssh_agrees(server, tmp_path / "known")


def _openssh_agrees(server: Sshd, known: Path) -> bool:
    """ssh itself refuses this server with this known_hosts file."""
    options = ["BatchMode=yes", f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=none", "CheckHostIP=no"]
    words = [word for option in options for word in ("-o", option)]
    line = ["ssh", "-F", "none", *words, "-i", str(server.key), "-p", str(server.port), "audit@127.0.0.1", "true"]
    done = subprocess.run(line, capture_output=True, check=False, timeout=30)
    return done.returncode == 255 and b"verification failed" in done.stderr


@pytest.mark.fault("I8")
def test_hashed_names_are_found(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    shutil.copy(server.known_hosts, known)
    subprocess.run(["ssh-keygen", "-Hf", known], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    assert state(go(server.asset(known_hosts=(str(known),)))) == "known"


# ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("N11")
def test_a_wrong_key_is_tried_once_and_the_host_key_is_told_all_the_same() -> None:
    with sshd() as running:
        with pytest.raises(AuthFailed, match=r"the server refused .*other_key; the server takes publickey") as refused:
            go(running.asset(key=str(running.folder / "other_key")))
        assert state(refused.value.answered) == "known"
        assert running.log.count("Failed publickey") == 1


@pytest.mark.fault("N11")
def test_a_password_opens_and_a_wrong_one_is_tried_once(
    with_passwords: Sshd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
    asset = with_passwords.asset(key=None, password="env:LAB_PASSWORD", user="plain")
    assert go(asset)[WHO].text == "plain\n"
    monkeypatch.setenv("LAB_PASSWORD", "wrong " + PASSWORD)
    with pytest.raises(AuthFailed) as refused:
        go(asset)
    assert with_passwords.log.count("Failed password") == 1
    assert PASSWORD not in str(refused.value) + caplog.text


def test_a_password_answers_one_prompt_where_the_server_asks_through_pam(monkeypatch: pytest.MonkeyPatch) -> None:
    with sshd(UsePAM="yes", KbdInteractiveAuthentication="yes") as running:
        asset = running.asset(key=None, password="env:LAB_PASSWORD", user="plain")
        monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
        assert go(asset)[WHO].text == "plain\n"
        monkeypatch.setenv("LAB_PASSWORD", "wrong")
        with pytest.raises(AuthFailed, match="refused password"):
            go(asset)
        assert running.log.count("Failed keyboard-interactive") + running.log.count("PAM: Authentication failure") > 0


@pytest.mark.fault("I6")
def test_a_reference_that_leads_nowhere_is_this_asset_s_trouble(with_passwords: Sshd) -> None:
    with pytest.raises(AuthFailed, match="LAB_NOTHING is not set"):
        go(with_passwords.asset(key=None, password="env:LAB_NOTHING", user="plain"))


def test_a_password_is_not_tried_where_the_server_takes_none(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
    with pytest.raises(AuthFailed, match="the server takes publickey"):
        go(server.asset(key=None, password="env:LAB_PASSWORD", user="plain"))


def test_an_encrypted_key_opens_with_its_passphrase(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    shutil.copy(server.key, key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "a b c", "-f", key], check=True, capture_output=True)
    monkeypatch.setenv("LAB_PASSPHRASE", "a b c")
    assert go(server.asset(key=str(key), key_passphrase="env:LAB_PASSPHRASE"))[WHO].text == "root\n"
    monkeypatch.setenv("LAB_WRONG", "a b")
    with pytest.raises(AuthFailed, match="passphrase is wrong"):
        go(server.asset(key=str(key), key_passphrase="env:LAB_WRONG"))
    with pytest.raises(AuthFailed, match="is encrypted; add `key_passphrase`"):
        go(server.asset(key=str(key)))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_every_kind_open(server: Sshd, tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "key"], check=True)
    with (server.folder / "authorized_keys").open("a") as opened:
        opened.write((tmp_path / "key.pub").read_text())
    assert go(server.asset(key=str(tmp_path / "key")))[WHO].text == "root\n"


@pytest.mark.parametrize("content", ["", "not a key\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_named(server: Sshd, tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(AuthFailed, match="cannot be opened: it is no"):
        go(server.asset(key=str(tmp_path / "key")))
    with pytest.raises(AuthFailed, match="No such file"):
        go(server.asset(key=str(tmp_path / "none")))


def test_a_certificate_beside_the_key_opens(tmp_path: Path) -> None:
    for name in ("authority", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    sign = ["ssh-keygen", "-q", "-s", f"{tmp_path}/authority", "-I", "lab", "-n", "audit", f"{tmp_path}/key.pub"]
    with sshd(TrustedUserCAKeys=str(tmp_path / "authority.pub"), AuthorizedKeysFile="none") as running:
        with pytest.raises(AuthFailed):
            go(running.asset(key=str(tmp_path / "key")))
        subprocess.run(sign, check=True)
        assert go(running.asset(key=str(tmp_path / "key")))[WHO].text == "root\n"


@contextlib.contextmanager
def agent(folder: Path, *keys: Path) -> Iterator[str]:
    path = str(folder / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if os.path.exists(path):
                break
            threading.Event().wait(0.05)
        for key in keys:
            env = {"SSH_AUTH_SOCK": path, "PATH": os.defpath}
            subprocess.run(["ssh-add", "-q", key], check=True, env=env, capture_output=True)
        yield path
    finally:
        process.kill()
        process.wait()


def test_the_agent_opens_where_it_is_wanted(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with agent(tmp_path, server.folder / "other_key", server.key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert go(server.asset(key=None, agent=True))[WHO].text == "root\n"
        assert go(server.asset(key=None))[WHO].text == "root\n"
        with pytest.raises(AuthFailed, match=r"refused .*other_key;"):
            go(server.asset(key=str(server.folder / "other_key")))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere")
    with pytest.raises(AuthFailed, match="nothing to log in with"):
        go(server.asset(key=None))


def test_an_encrypted_key_that_the_agent_holds_needs_no_passphrase(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    shutil.copy(server.key, key)
    shutil.copy(server.key.with_suffix(".pub"), tmp_path / "key.pub")
    with agent(tmp_path, server.folder / "other_key", key) as path:
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "a b c", "-f", key], check=True, capture_output=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        before = server.log.count("Failed publickey")
        for named in (key, tmp_path / "key.pub"):
            assert go(server.asset(key=str(named)))[WHO].text == "root\n"
        config = tmp_path / "config"
        config.write_text(f"IdentityFile {key}\nIdentitiesOnly yes\n")
        assert go(server.asset(key=None, config=str(config)))[WHO].text == "root\n"
        assert server.log.count("Failed publickey") == before, "a key that nobody named was tried"


@pytest.mark.fault("N11")
def test_a_second_factor_is_told_as_the_reason(tmp_path: Path) -> None:
    settings = {"AuthenticationMethods": "publickey,password", "PasswordAuthentication": "yes"}
    with sshd(**settings) as running, pytest.raises(AuthFailed, match="the server takes password"):
        go(running.asset())


def test_key_and_password_together_open_where_both_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
    settings = {"AuthenticationMethods": "publickey,password", "PasswordAuthentication": "yes"}
    with sshd(**settings) as running:
        assert go(running.asset(password="env:LAB_PASSWORD"))[WHO].text == "root\n"
