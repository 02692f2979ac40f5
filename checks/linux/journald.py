"""The journal: what systemd-journald keeps and passes on, and what sends it to another host."""

from __future__ import annotations

from scanner import check

from .systemd import Settings, settings_of

JOURNALD = settings_of("journald.conf")
UPLOAD = settings_of("journal-upload.conf")


@check("linux.journald.setting", JOURNALD)
def setting(found: Settings, key: str) -> str | None:
    """What journald.conf(5) and its drop-ins say under `key`, lower-cased; nothing where it is left to the default."""
    value = found.get("Journal", {}).get(key)
    return value.lower() if value is not None else None


@check("linux.journald.keys", JOURNALD)
def keys(found: Settings) -> list[str]:
    """The keys that journald.conf(5) and its drop-ins set."""
    return sorted(found.get("Journal", {}))


@check("linux.journald.upload", UPLOAD)
def upload(found: Settings, key: str) -> str | None:
    """What journal-upload.conf(5) and its drop-ins say under `key`; nothing where it is not set."""
    return found.get("Upload", {}).get(key)
