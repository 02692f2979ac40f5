"""SSH keys that open accounts of this host, and private keys that lie in its accounts; told by fingerprint."""

from __future__ import annotations

from scanner import check
from scanner.exposure.keys import KEYS, Key


@check("linux.keys.weak", KEYS)
def weak(found: tuple[Key, ...], least_rsa_bits: int) -> list[str]:
    """Keys that open an account and are DSA, or RSA with fewer bits, as 'account: fingerprint'."""
    return [
        f"{one.account}: {one.fingerprint} ({one.kind} {one.bits})"
        for one in found
        if one.role == "opens" and (one.kind == "DSA" or (one.kind == "RSA" and one.bits < least_rsa_bits))
    ]


@check("linux.keys.without_passphrase", KEYS)
def without_passphrase(found: tuple[Key, ...]) -> list[str]:
    """Private keys in an account's .ssh folder that no passphrase protects, as 'account: fingerprint'."""
    return [f"{one.account}: {one.fingerprint}" for one in found if one.role == "bare"]
