"""authselect, which writes the PAM stacks of Red Hat's systems from a profile: what that profile can put into them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scanner import Absent, Fact, check, parse
from scanner import files as texts

CUSTOM = "/etc/authselect/custom"
SHIPPED = ("/usr/share/authselect/vendor", "/usr/share/authselect/default")
"""A vendor's profile hides the default one of its name. Source: authselect-profiles(5)."""
STACKS = ("system-auth", "password-auth")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which profile was chosen ("custom/site", "sssd"), with which features."""

    profile: str
    features: tuple[str, ...]


def choice(text: str) -> Choice | None:
    """'custom/site\\nwith-faillock\\n' -> Choice('custom/site', ('with-faillock',)); None where nothing was chosen."""
    found = parse.lines(parse.files(text).get("/etc/authselect/authselect.conf", ""))
    words = [line.strip() for line in found if line.strip()]
    return Choice(words[0], tuple(words[1:])) if words else None


CHOSEN = Fact(texts("/etc/authselect/authselect.conf"), choice)
TEMPLATES = Fact(texts(*(f"{folder}/*/{name}" for folder in (CUSTOM, *SHIPPED) for name in STACKS)), parse.files)


@check("linux.authselect.missing_modules", CHOSEN, TEMPLATES)
def missing_modules(chosen: Choice | None, templates: Mapping[str, str], modules: list[str]) -> list[str]:
    """Modules that no line of the chosen profile names, whatever its features: ['system-auth: pam_pwhistory.so']."""
    if chosen is None:
        raise Absent("authselect has no profile in use")
    texts_of = {name: _template(chosen.profile, templates, name) for name in STACKS}
    return [f"{name}: {module}" for name, text in texts_of.items() for module in modules if not _names(text, module)]


def _template(profile: str, templates: Mapping[str, str], name: str) -> str:
    folder, _, own = profile.rpartition("/")
    places = (f"{CUSTOM}/{own}",) if folder == "custom" else tuple(f"{place}/{profile}" for place in SHIPPED)
    return next((templates[f"{place}/{name}"] for place in places if f"{place}/{name}" in templates), "")


def _names(text: str, module: str) -> bool:
    lines = (line.split("#", 1)[0] for line in text.split("\n"))
    return any(re.search(rf"(?:^|[\s/]){re.escape(module)}(?:\s|$)", line) for line in lines)
