"""Protocols and ciphers of Windows' own TLS library (Schannel), as its registry keys switch them.

Source: Microsoft Learn, "Transport Layer Security (TLS) registry settings". Without a key Windows' default holds, which
differs by release and is the control's `default`. `DisabledByDefault` alone leaves a protocol to programs that ask for
it, so only `Enabled` = 0 counts as off.
"""

from __future__ import annotations

import re

from scanner import Fact, Given, Unparsable, check, powershell, registry

from .registry import Reading, reading
from .rows import row, texts

_SUITES = "@{ Suites = @(Get-TlsCipherSuite | ForEach-Object { '' + $_.Name }) }"

ENABLED = Fact(registry(Given("key"), "Enabled"), reading)


def suites(text: str) -> tuple[str, ...]:
    """'[{"Suites": ["TLS_AES_256_GCM_SHA384"]}]' -> ('TLS_AES_256_GCM_SHA384',). Other words than names are refused."""
    names = tuple(texts(row(text), "Suites"))
    odd = next((name for name in names if not re.match(r"(?:TLS|SSL)_\w", name)), None)
    if odd is not None:
        raise Unparsable(f"no cipher suite: {odd[:100]!r}")
    return names


SUITES = Fact(powershell(_SUITES, of="Get-TlsCipherSuite"), suites)


@check("windows.tls.enabled", ENABLED)
def enabled(found: Reading, default: bool) -> bool:
    """Whether a protocol's side or a cipher can be used. key: …\\SCHANNEL\\Protocols\\TLS 1.0\\Server."""
    if found.found != "value":
        return default
    return found.kind != "DWord" or found.value != 0


@check("windows.tls.suites_with", SUITES)
def suites_with(found: tuple[str, ...], part: str) -> list[str]:
    """The cipher suites that are offered and have `part` in their name: TLS_RSA_WITH_RC4_128_SHA for RC4."""
    return [name for name in found if part in name.split("_")]
