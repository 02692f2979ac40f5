"""What SSH servers offer, and what of it is weak, against ssh-audit as an oracle of its own making."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from checks.network.rows import Row, Service
from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.model import Asset, Network
from scanner.probes import nse
from scanner.transports import Bounds, nmap

from .test_nmap import sshd

MISSING = [name for name in ("nmap", "sshd", "ssh") if not shutil.which(name)]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0 or bool(MISSING), reason="needs root, nmap and OpenSSH"),
    pytest.mark.skipif(importlib.util.find_spec("ssh_audit") is None, reason="needs ssh-audit"),
]
KINDS = {  # ssh-audit's name -> ours, ssh -Q's, the keyword of sshd_config
    "kex": ("kex", "kex", "KexAlgorithms"),
    "key": ("host-key", "HostKeyAlgorithms", "HostKeyAlgorithms"),
    "enc": ("encryption", "cipher", "Ciphers"),
    "mac": ("mac", "mac", "MACs"),
}
SUSPICION = "suspected as being backdoored"
"""What ssh-audit holds against the curves of NIST, which NIST itself and this baseline approve."""


def known(kind: str) -> str:
    """All that the OpenSSH of this machine can speak of one kind."""
    said = subprocess.run(["ssh", "-Q", kind], capture_output=True, text=True, check=True).stdout
    return ",".join(said.split())


def audited(port: int) -> Mapping[str, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "ssh_audit", "-j", "-p", str(port), "127.0.0.1"]
    found: Mapping[str, list[dict[str, Any]]] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    )
    return found


def looked_at(port: int) -> dict[str, set[str]]:
    """Our own lists, by kind."""
    probe = nse("ssh2-enum-algos")
    asset = Asset("lab", network=Network(("127.0.0.1",), ports=str(port)))
    text = nmap.visit(asset, [probe], Bounds(120))[probe].text
    check = Catalogue().check("network.ssh.algorithms")
    rows = check.facts[0].parse(text)
    found = {}
    for name, (kind, _, _) in KINDS.items():
        observed = check.observe(rows, kind=kind)
        assert isinstance(observed, dict)
        found[name] = set(observed[f"127.0.0.1:{port}/tcp"])
    return found


def weak(kind: str, names: Iterable[str]) -> set[str]:
    """Which of the names the shipped baseline takes for weak."""
    catalogue = Catalogue()
    baseline = read_baseline(catalogue.baseline_file("network"), catalogue)
    ours = KINDS[kind][0]
    (control,) = [one for one in baseline.controls if one.given.get("kind") == ours]
    keys = {"kex": "kex_algorithms", "mac": "mac_algorithms", "encryption": "encryption_algorithms"}
    offer = {keys.get(ours, "server_host_key_algorithms"): list(names)}
    row = Row(Service("h:22/tcp", "h", "ssh", "", "", ""), "ssh2-enum-algos", "", offer)
    observed = catalogue.check(str(control.check)).observe([row], **control.given)
    assert isinstance(observed, dict)
    return set(observed["h:22/tcp"])


def test_offers_and_verdicts_are_those_of_ssh_audit(tmp_path: Path) -> None:
    settings = [f"{keyword} {known(query)}" for _, query, keyword in KINDS.values()]
    rsa = tmp_path / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", rsa], check=True)
    with sshd(tmp_path, *settings, f"HostKey {rsa}") as port:
        oracle, seen = audited(port), looked_at(port)
    for name in KINDS:
        offered = {one["algorithm"]: one.get("notes", {}) for one in oracle[name]}
        ours = weak(name, offered)
        markers = {one for one in seen[name] if "strict" in one or one.startswith("ext-info")}
        assert seen[name] - markers == set(offered) - markers, name
        failed = {a for a, notes in offered.items() if not all(SUSPICION in why for why in notes.get("fail", []))}
        blamed = {a for a, notes in offered.items() if "fail" in notes or "warn" in notes}
        assert failed <= ours, f"{name}: ssh-audit fails {failed - ours}"
        assert ours <= blamed, f"{name}: only we fail {ours - blamed}"


BROKEN = ("SHA-1", "1024-bit", "no encryption", "broken", "weak cipher mode", "64-bit block", "MD5", "RIPEMD", "DES")
"""Words of ssh-audit for what is broken; unproven, old, of one state's making or open to quantum computers is not."""
OWN_CHOICE = {
    *("pgp-sign-dss", "pgp-sign-rsa", "spki-sign-dss", "spki-sign-rsa"),  # nothing that speaks them is known
    *("kexAlgoDH14SHA1", "kexAlgoDH1SHA1"),  # words of a program's source, never sent
    "aes128-ocb@libassh.org",  # proves what it hides
    "null",  # RFC 4462: Kerberos proves who the server is
}


def test_every_name_that_ssh_audit_knows_as_broken_is_weak_and_no_name_without_a_flaw_is() -> None:
    database = importlib.import_module("ssh_audit.ssh2_kexdb").SSH2_KexDB.get_db()
    for kind, names in database.items():
        why = {name: [text for texts in entry[1:3] for text in texts] for name, entry in names.items()}
        ours = weak(kind, (name.replace("*", "toWM5Slw5Ew8Mqkay+al2g==") for name in names))
        named = {name for name in names if name.replace("*", "toWM5Slw5Ew8Mqkay+al2g==") in ours}
        broken = {name for name, texts in why.items() if any(word in text for text in texts for word in BROKEN)}
        assert broken - OWN_CHOICE <= named, f"{kind}: {sorted(broken - OWN_CHOICE - named)}"
        blameless = {n for n, texts in why.items() if all("quantum" in t or "encrypt-and-MAC" in t for t in texts)}
        assert not named & blameless, f"{kind}: {sorted(named & blameless)}"
