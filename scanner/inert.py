"""Foreign text made harmless: for terminals, logs and spreadsheets. The one place that does it.

HTML escaping is the template engine's, SQL is SQLAlchemy's; here is what they do not cover.
"""

from __future__ import annotations

import unicodedata

_KEPT = {"\t"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def printable(text: str, limit: int | None = None) -> str:
    r"""Text that no terminal obeys: 'a\x1b[2Jb\u202ec' -> 'a\\x1b[2Jb\\u202ec'. Line breaks are shown as well.

    Control, format (bidi, zero-width), surrogate, private and unassigned characters become escapes; the rest is kept.
    limit: at most this many characters, the last one an ellipsis where text was left out.
    """
    if not text.isprintable():  # which knows the same characters, but for tabs and wide blanks
        text = "".join(char if char.isprintable() or _harmless(char) else _escaped(char) for char in text)
    if limit is not None and len(text) > limit:
        return f"{text[: max(limit - 1, 0)]}…"
    return text


def _harmless(char: str) -> bool:
    if char in _KEPT:
        return True
    kind = unicodedata.category(char)
    return kind[0] != "C" and kind not in {"Zl", "Zp"}


def _escaped(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def cell(text: str) -> str:
    """Text that no spreadsheet computes: '=1+1' -> "'=1+1". A number stays a number. Source: OWASP, CSV injection."""
    if not text.isprintable():
        text = printable(text.replace("\r\n", "\n").replace("\n", " ⏎ "))
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) and not _number(text) else text


def _number(text: str) -> bool:
    bare = text.removeprefix("-")
    return bare.isascii() and bare.replace(".", "", 1).isdigit()
