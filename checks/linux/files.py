"""Who owns a file and who may use it: one stat(1) of all named paths, links followed."""

from __future__ import annotations

from scanner import Absent, Fact, Given, Undetermined, check, file, parse, stat
from scanner.parse import Stat

STATE = Fact(stat(Given("path")), parse.stats, at_use=True)
TEXT = Fact(file(Given("path"), max_bytes=1 << 16), str, at_use=True)


def _only(found: dict[str, Stat | None], path: str) -> Stat:
    if path not in found:
        raise Undetermined(f"nothing was said of {path}")
    state = found[path]
    if state is None:
        raise Absent(f"there is no {path}")
    return state


def _named(name: str, number: int) -> str:
    """The kernel knows number 0 alone as root, whatever a list of accounts calls it, or another number."""
    if number == 0:
        return "root"
    return f"root, but of number {number}" if name == "root" else name


@check("linux.files.owner", STATE)
def owner(found: dict[str, Stat | None], path: str) -> str:
    """Name of the user who owns `path`, root for number 0; UNKNOWN where no account has the number."""
    state = _only(found, path)
    return _named(state.user, state.uid)


@check("linux.files.group", STATE)
def group(found: dict[str, Stat | None], path: str) -> str:
    """Name of the group that owns `path`, root for number 0."""
    state = _only(found, path)
    return _named(state.group, state.gid)


@check("linux.files.mode", STATE)
def mode(found: dict[str, Stat | None], path: str) -> str:
    """Permission bits of `path` in octal, set-id and sticky bits in front: '0644'."""
    return f"{_only(found, path).mode:04o}"


@check("linux.files.exists", STATE)
def exists(found: dict[str, Stat | None], path: str) -> bool:
    """True; where there is no `path` the control's `when_absent` speaks."""
    if path not in found:
        raise Undetermined(f"nothing was said of {path}")
    return found[path] is not None


@check("linux.files.text", TEXT)
def text(found: str) -> str:
    """The text of `path` on one line, each run of white space one blank, none around it."""
    return " ".join(found.split())
