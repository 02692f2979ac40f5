"""PAM: the stacks as libpam puts them together, and the settings of the password modules.

A stack is what /etc/pam.d/<name> says for one type (auth, account, password, session), with `@include`, `include` and
`substack` followed. Settings of a module come from its own file first and from its arguments last, which win.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from scanner import Absent, Fact, Undetermined, Unparsable, Unwritten, check, parse
from scanner import files as texts

FOLDER = "/etc/pam.d"
MAX_DEPTH = 16
Type = Literal["auth", "account", "password", "session"]
_LINE = re.compile(r"-?(\w+)[ \t]+(\[[^\]]*\]|[^ \t\[]+)[ \t]+(.+)\Z")
_ARGUMENT = re.compile(r"\[((?:[^\]\\]|\\.)*)(?:\]|\\?\Z)|(\S+)")
_TAKING_PART = {"required", "requisite", "sufficient", "binding"}
_SWITCHES = {"enforce_for_root", "local_users_only", "even_deny_root", "audit", "silent", "no_log_info", "debug"}
"""Settings without a value: to name them is to switch them on."""
_REFUSING = re.compile(r"\[(?:[^\]]*\s)?default=(?:bad|die)\b")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a stack. control: the word or bracket, in lower case. arguments: after the module's name."""

    type: str
    control: str
    module: str
    arguments: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether its answer can change the outcome of the stack."""
        if self.control.startswith("["):
            return not re.fullmatch(r"\[\s*default=ignore\s*\]", self.control)
        return self.control in _TAKING_PART

    @property
    def refuses(self) -> bool:
        """Whether its failure alone makes the stack fail."""
        return self.control in {"required", "requisite"} or _REFUSING.match(self.control) is not None

    def value(self, name: str) -> str | None:
        """The value of the last argument `name=value`, "" for a bare `name`, None where it is not given."""
        for argument in reversed(self.arguments):
            key, _, value = argument.partition("=")
            if key == name:
                return value
        return None


Stacks = Mapping[str, str]
FOR_EVER_S = 1_000_000_000
MAX_LOCK_S = 604_800
MODULE_FILES = ("/etc/security/faillock.conf", "/etc/security/pwhistory.conf")
"""Where pam_faillock and pam_pwhistory look unless their line says `conf=`."""


def _lines(text: str) -> Iterator[str]:
    """Logical lines: a backslash at the end joins, '#' starts a comment, blank ones are left out."""
    for line in text.replace("\\\n", " ").split("\n"):
        bare = line.split("#", 1)[0].strip()
        if bare:
            yield bare


def stack(stacks: Stacks, name: str, type: str, depth: int = 0) -> list[Line]:
    """The lines of one type in the stack `name`, includes followed. Raises Absent or Unparsable. Source: pam.d(5)."""
    path = name if name.startswith("/") else f"{FOLDER}/{name}"
    if path not in stacks:
        raise Absent(f"there is no {path}") if depth == 0 else Unparsable(f"{path} is included, but was not read")
    if depth > MAX_DEPTH:
        raise Unparsable(f"{path}: includes nested deeper than {MAX_DEPTH}")
    found: list[Line] = []
    for bare in _read(path, stacks[path]):
        if bare.startswith("@include"):
            found += stack(stacks, bare.removeprefix("@include").strip(), type, depth + 1)
            continue
        match = _LINE.match(bare)
        if match is None or match[1].lower() != type:
            continue
        control, arguments = match[2].lower(), [_argument(each) for each in _ARGUMENT.finditer(match[3])]
        if control in {"include", "substack"}:
            found += stack(stacks, arguments[0], type, depth + 1)
        else:
            found.append(Line(type, control, arguments[0].rsplit("/", 1)[-1], tuple(arguments[1:])))
    return found


def _read(path: str, text: str) -> list[str]:
    """The lines of one file that libpam can read; it logs any other and goes on without it. A file of none but
    others is none of PAM's: Unparsable, for what it lacks says nothing.
    """
    lines = list(_lines(text))
    read = [line for line in lines if line.startswith("@include") or _is_a_line(line)]
    if lines and not read:
        raise Unparsable(f"{path}: {lines[0][:150]}")
    return read


def _is_a_line(bare: str) -> bool:
    match = _LINE.match(bare)
    return match is not None and match[1].lower() in get_args(Type)


def _argument(match: re.Match[str]) -> str:
    return match[1].replace("\\]", "]") if match[1] is not None else match[2]


def settings(text: str) -> dict[str, str]:
    """'minlen = 14\\nenforce_for_root\\n' -> {'minlen': '14', 'enforce_for_root': ''}; the last of equal names wins.

    The name ends at white space or '='. Source: read_config_file in libpwquality, faillock_config.c.
    """
    found = {}
    for line in text.split("\n"):
        match = re.match(r"\s*([^\s=]+)[\s=]*(.*)", line.split("#", 1)[0])
        if match:
            found[match[1]] = match[2].strip()
    return found


def quality(text: str) -> dict[str, str]:
    """pwquality.conf and its drop-ins as libpwquality reads them: the drop-ins in order, the main file last."""
    found = parse.files(text)
    main = found.pop("/etc/security/pwquality.conf", "")
    merged: dict[str, str] = {}
    for path in sorted(found):
        merged |= settings(found[path])
    return merged | settings(main)


def one_file(text: str) -> dict[str, str]:
    """Settings of the one file that was asked for; none where it does not exist."""
    return next((settings(found) for found in parse.files(text).values()), {})


STACKS = Fact(texts(f"{FOLDER}/*"), parse.files, at_use=True)
QUALITY = Fact(texts("/etc/security/pwquality.conf", "/etc/security/pwquality.conf.d/*.conf"), quality, at_use=True)
FAILLOCK = Fact(texts("/etc/security/faillock.conf"), one_file, at_use=True)
HISTORY = Fact(texts("/etc/security/pwhistory.conf"), one_file, at_use=True)


@check("linux.pam.modules", STACKS)
def modules(stacks: Stacks, stack_name: str, type: Type) -> list[str]:
    """Names of the modules of a stack whose answer counts, in order: ['pam_pwquality.so', 'pam_unix.so', …]."""
    return [line.module for line in stack(stacks, stack_name, type) if line.counts]


@check("linux.pam.enforced", STACKS)
def enforced(stacks: Stacks, stack_name: str, type: Type, before: str = "") -> list[str]:
    """Names of the modules of a stack whose failure alone makes it fail, in order.

    before: only those that stand before the first line of that module, which may end the stack well, and that no
    earlier line leaps over when it succeeds.
    """
    lines = stack(stacks, stack_name, type)
    if not before:
        return [line.module for line in lines if line.refuses]
    end = next((place for place, line in enumerate(lines) if line.module == before), len(lines))
    return [line.module for line in _always_reached(lines[:end]) if line.refuses]


@check("linux.pam.with_argument", STACKS)
def with_argument(stacks: Stacks, stack_names: list[str], module: str, arguments: list[str]) -> list[str]:
    """The lines of `module`, of any type, that have one of `arguments`, in those of the stacks that are there.

    Absent where these hold no line at all: what nothing asks for is no proof of how it is asked for.
    """
    there = [name for name in stack_names if f"{FOLDER}/{name}" in stacks]
    if not there:
        raise Absent(f"{FOLDER} has none of {', '.join(stack_names)}")
    lines = [line for name in there for type in get_args(Type) for line in stack(stacks, name, type)]
    if not lines:
        raise Absent(f"{', '.join(there)} name no module")
    own = [line for line in lines if line.module == module]
    return [_written(line) for line in own if any(line.value(word) is not None for word in arguments)]


@check("linux.pam.without_argument", STACKS)
def without_argument(stacks: Stacks, stack_name: str, type: Type, module: str, argument: str) -> list[str]:
    """The lines of `module` in a stack that lack `argument`, as written."""
    return [_written(line) for line in _of(stacks, stack_name, type, module) if line.value(argument) is None]


@check("linux.pam.argument", STACKS)
def argument(stacks: Stacks, stack_name: str, type: Type, module: str, argument: str) -> str | None:
    """The value of `argument` on the first line of `module`: "" where it stands bare, nothing where it does not."""
    return next((line.value(argument) for line in _of(stacks, stack_name, type, module)), None)


@check("linux.pam.algorithm", STACKS)
def algorithm(stacks: Stacks, stack_name: str) -> str | None:
    """How pam_unix hashes new passwords in a stack: the last algorithm among its arguments; nothing where none is."""
    known = {"yescrypt", "gost_yescrypt", "sha512", "sha256", "blowfish", "md5", "bigcrypt", "des"}
    named = [word for line in _of(stacks, stack_name, "password", "pam_unix.so") for word in line.arguments]
    return next((word for word in reversed(named) if word in known), None)


@check("linux.pam.faillock", STACKS)
def faillock(stacks: Stacks, auth: str, account: str) -> list[str]:
    """The parts of a working lock-out: "before" and "after" pam_unix in `auth`, and "account" in `account`.

    The count is read before the password is asked and raised after a wrong one; a right one resets it either in the
    account stack or by authsucc. Where pam_unix stands there more than once, one of them can be reached or left past
    the lock, so neither part counts. Source: pam_faillock(8).
    """
    lines = stack(stacks, auth, "auth")
    asking = [place for place, line in enumerate(lines) if line.module == "pam_unix.so"]
    parts = []
    first = _always_reached(lines[: asking[0]]) if len(asking) == 1 else []
    if any(_locks(line, "preauth") and line.refuses for line in first):
        parts.append("before")
    if len(asking) == 1 and any(_locks(line, "authfail") for line in lines[asking[0] :]):
        parts.append("after")
    if any(line.module == "pam_faillock.so" and line.counts for line in stack(stacks, account, "account")):
        parts.append("account")
    return parts


@check("linux.pam.lock", STACKS, FAILLOCK)
def lock(
    stacks: Stacks,
    conf: dict[str, str],
    stack_name: str,
    key: Literal["deny", "unlock_time", "root_unlock_time"],
    root_is_locked: bool = False,
) -> dict[str, int | Unwritten | None]:
    """A number of pam_faillock for each line of it that asks or counts: {'preauth': 5, 'authfail': 5}.

    A line's own argument beats faillock.conf. Times in seconds, a thousand million where only an administrator lets
    the account in again. root_unlock_time is that of other accounts where it is not set, and nothing where root is
    never locked: the module locks root by even_deny_root alone, whatever its page says. Source: pam_faillock.c.
    root_is_locked: take the time that is written for root as if root were locked; that is another control's matter.
    """
    steps = _steps(stacks, stack_name)
    return {step: _of_line(line, conf, key, root_is_locked) for step, line in steps.items()}


@check("linux.pam.locks_root", STACKS, FAILLOCK)
def locks_root(stacks: Stacks, conf: dict[str, str], stack_name: str) -> dict[str, bool]:
    """Whether each line of pam_faillock that asks or counts means root too: {'preauth': True, 'authfail': True}."""
    steps = _steps(stacks, stack_name)
    return {step: _value(line, conf, "even_deny_root") is not None for step, line in steps.items()}


def _steps(stacks: Stacks, stack_name: str) -> dict[str, Line]:
    lines = [line for line in stack(stacks, stack_name, "auth") if line.module == "pam_faillock.so" and line.counts]
    steps: dict[str, Line] = {
        step: line for step in ("preauth", "authfail") for line in lines if step in line.arguments
    }
    if not steps:
        raise Absent(f"pam_faillock.so is not in {stack_name}")
    return steps


def _of_line(line: Line, conf: Mapping[str, str], key: str, root_is_locked: bool) -> int | Unwritten | None:
    said = _value(line, conf, key)
    number = _number(said)
    if number is None:  # what the module cannot read as a number leaves the one before
        number = _number(conf.get(key)) if line.value("conf") is None else None
    if key == "root_unlock_time" and _value(line, conf, "even_deny_root") is None and not (root_is_locked and said):
        return None
    if number is not None:
        return number if key == "deny" else number or FOR_EVER_S
    if key == "root_unlock_time":
        return _of_line(line, conf, "unlock_time", root_is_locked)
    return Unwritten(3 if key == "deny" else 600)


def _value(line: Line, conf: Mapping[str, str], key: str) -> str | None:
    """What holds for a line: its own argument, else the module's file, unless the line names another file."""
    said = line.value(key)
    if said is not None:
        return said
    other = line.value("conf")
    if other and other not in MODULE_FILES:
        raise Undetermined(f"{line.module} takes {key} from {other[:100]}, which was not read")
    return conf.get(key)


def _number(said: str | None) -> int | None:
    """'900' -> 900, 'never' -> 0; None for what pam_faillock leaves out: no number, and times of more than a week."""
    number = 0 if said == "never" else int(said) if said and re.fullmatch(r"[0-9]{1,9}", said) else -1
    return number if 0 <= number <= MAX_LOCK_S else None


@check("linux.pam.su_group", STACKS)
def su_group(stacks: Stacks) -> str | None:
    """The one group whose members may use su(1): pam_wheel must refuse all others, by their real user id.

    Nothing where su is open to everybody; "wheel" where the line names no group. Source: pam_wheel(8).
    """
    for line in stack(stacks, "su", "auth"):
        kept_out = line.module == "pam_wheel.so" and line.refuses and line.value("deny") is None
        if kept_out and line.value("use_uid") is not None:
            return line.value("group") or "wheel"
    return None


@check("linux.pam.quality_setting", STACKS, QUALITY)
def quality_setting(stacks: Stacks, conf: dict[str, str], stack_name: str, key: str) -> str | None:
    """A setting of pam_pwquality: its argument where it has one, else pwquality.conf. "on" for a bare word.

    Nothing where it is not set, and where the stack does not use the module, since then nothing is enforced.
    """
    return _setting(stacks, conf, stack_name, "password", "pam_pwquality.so", key)


@check("linux.pam.quality_classes", STACKS, QUALITY)
def quality_classes(stacks: Stacks, conf: dict[str, str], stack_name: str) -> int:
    """How many kinds of signs (capitals, small letters, digits, others) every new password must have: 0 to 4.

    minclass says it as a number; a credit below zero demands its own kind. Source: pwquality.conf(5).
    """
    keys = ("minclass", "dcredit", "ucredit", "lcredit", "ocredit")
    said = {key: _setting(stacks, conf, stack_name, "password", "pam_pwquality.so", key) or "0" for key in keys}
    odd = next((f"{key} = {value}" for key, value in said.items() if not re.fullmatch(r"-?[0-9]{1,9}", value)), "")
    if odd:
        raise Undetermined(f"pam_pwquality takes no {odd[:100]}")
    numbers = {key: int(value) for key, value in said.items()}
    return min(4, max(numbers["minclass"], sum(numbers[key] < 0 for key in keys[1:])))


@check("linux.pam.history_setting", STACKS, HISTORY)
def history_setting(
    stacks: Stacks, conf: dict[str, str], stack_name: str, key: str, reads_file: bool = True
) -> str | None:
    """A setting of pam_pwhistory: its argument where it has one, else pwhistory.conf. "on" for a bare word.

    reads_file: whether this system's module knows pwhistory.conf (Linux-PAM 1.5.3 on, and Red Hat's 1.3.1 and 1.5.1).
    """
    return _setting(stacks, conf if reads_file else {}, stack_name, "password", "pam_pwhistory.so", key)


def _setting(stacks: Stacks, conf: dict[str, str], stack_name: str, type: Type, module: str, key: str) -> str | None:
    lines = [line for line in stack(stacks, stack_name, type) if line.module == module and line.counts]
    if type == "password":
        lines = [line for line in lines if line.refuses]
    if not lines:
        return None
    said = [value for line in lines if (value := line.value(key)) is not None]
    value = said[0] if said else _value(lines[0], conf, key)
    return "on" if value is not None and key in _SWITCHES else value


def _of(stacks: Stacks, stack_name: str, type: Type, module: str) -> list[Line]:
    found = [line for line in stack(stacks, stack_name, type) if line.module == module]
    if not found:
        raise Absent(f"{module} is not in {stack_name}")
    return found


def _always_reached(lines: list[Line]) -> list[Line]:
    """Those lines that no earlier one leaps over when it succeeds, as [success=1 …] and [default=1 …] do."""
    found = []
    landing = 0
    for place, line in enumerate(lines):
        if place >= landing:
            found.append(line)
        said = dict(word.split("=", 1) for word in line.control.strip("[]").split() if "=" in word)
        leap = said.get("success", said.get("default", ""))
        if re.fullmatch(r"[0-9]{1,4}", leap):
            landing = max(landing, place + 1 + int(leap))
    return found


def _locks(line: Line, step: str) -> bool:
    return line.module == "pam_faillock.so" and line.counts and step in line.arguments


def _written(line: Line) -> str:
    return " ".join([line.type, line.control, line.module, *line.arguments])
