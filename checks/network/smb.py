"""Windows file sharing (SMB) as offered to anybody. Source: nmap's smb-protocols and smb2-security-mode."""

from __future__ import annotations

from scanner import Fact, Unclear, check, nse

from .rows import Row, each, mapping, scripts, texts

DIALECTS = Fact(nse("smb-protocols"), scripts)
SECURITY = Fact(nse("smb2-security-mode"), scripts)


@check("network.smb.version_1", DIALECTS)
def version_1(dialects: list[Row]) -> dict[str, bool | Unclear]:
    """Per host: whether version 1 of the protocol ("NT LM 0.12") is accepted."""
    return each(dialects, lambda row: any(name.startswith("NT LM 0.12") for name in texts(mapping(row)["dialects"])))


@check("network.smb.signing_required", SECURITY)
def signing_required(security: list[Row]) -> dict[str, bool | Unclear]:
    """Per host: whether messages must be signed, in every dialect that was negotiated."""
    return each(
        security,
        lambda row: all(texts(said) == ["Message signing enabled and required"] for said in mapping(row).values()),
    )
