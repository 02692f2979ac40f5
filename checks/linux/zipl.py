"""zipl, which starts the kernel on IBM Z: the arguments that /etc/zipl.conf gives to it. Source: zipl.conf(5)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scanner import Absent, Fact, check, parse
from scanner import files as texts

from .boot import value

PLACE = "/etc/zipl.conf"
Sections = Mapping[str, tuple[str, ...]]


def zipl(text: str) -> Sections | None:
    """'[debian]\\nimage=/boot/vmlinuz\\nparameters="root=x audit=1"\\n' -> {'debian': ('root=x', 'audit=1')}.

    Only sections that start a kernel; a section without parameters gives none. None where there is no zipl.conf.
    """
    found = parse.files(text).get(PLACE)
    if found is None:
        return None
    sections: dict[str, tuple[str, ...]] = {}
    for name, lines in _sections(found):
        pairs = [line.partition("=") for line in lines]
        said = {key.strip(): text.strip() for key, _, text in pairs}
        if "image" in said:
            sections[name] = tuple(said.get("parameters", "").strip("\"'").split())
    return sections


def _sections(text: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in parse.lines(text):
        heading = re.match(r"\[([^\]]*)\]|(:\S+)", line)
        if heading:
            found.append((heading[1] or heading[2], []))
        elif found:
            found[-1][1].append(line)
    return found


ZIPL = Fact(texts(PLACE), zipl)


@check("linux.zipl.sections_without", ZIPL)
def sections_without(found: Sections | None, argument: str) -> list[str]:
    """Sections of zipl.conf that start a kernel without `argument`, such as audit=1."""
    name, _, wanted = argument.partition("=")
    return [section for section, words in _of(found).items() if value(words, name) != wanted]


@check("linux.zipl.least", ZIPL)
def least(found: Sections | None, name: str) -> int:
    """The least number that a section gives to the kernel's argument `name`; 0 where one gives none."""
    given = [value(words, name) or "" for words in _of(found).values()]
    return min((int(text) if re.fullmatch(r"[0-9]{1,12}", text) else 0 for text in given), default=0)


def _of(found: Sections | None) -> Sections:
    if not found:
        raise Absent(f"there is no {PLACE}, or it starts no kernel")
    return found
