"""Constructors of probes: the closed set of questions that Riskline knows how to put, all of them read-only.

A question's text is a constant of the check's module. What varies per control is passed as `Given("name")` and reaches
the target as data (a quoted argument, a registry path), never as code.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .errors import UsageError
from .model import Given, Probe

_PATH = re.compile(r"/[A-Za-z0-9_.@:+,=%/-]*\Z")
_PATTERN = re.compile(r"/[A-Za-z0-9_.@:+,=%/*?\[\]-]*\Z")
_MARKING = """(
%s
); e=$?; printf '\\nZ %s\\n'; exit $e"""
MARKED = re.compile(r"printf '\\nZ ([0-9a-f]{8})\\n'; exit \$e")
"""What a question has in it whose end is marked. The last line of its answer is `Z` and these digits, which stand for
the question; its exit status stays what it was.
"""


def sh(
    script: str,
    *,
    of: str = "",
    sudo: bool = False,
    running: bool = False,
    timeout_s: float = 10.0,
    max_bytes: int = 1 << 20,
    ok: tuple[int, ...] = (0,),
    marked: bool = False,
) -> Probe:
    """A POSIX-sh command, run with a fixed PATH, LC_ALL=C, no standard input; its standard output is the reply.

    of: the program it asks; where that is not installed, the reply is `absent`. sudo: the answer is only right as root.
    running: it asks the running kernel or init. ok: exit statuses that mean "answered"; any other is `failed`.
    marked: its answer ends with a mark of this question; what lacks it, since its end is missing or it belongs to
    another question, is not judged: for lists in which a missing line would look like a good state.
    """
    script = _MARKING % (script, hashlib.sha256(script.encode()).hexdigest()[:8]) if marked else script
    statuses = () if ok == (0,) else (",".join(str(status) for status in ok),)
    return Probe("posix", ("sh", script, *statuses), sudo, of, running, timeout_s, max_bytes)


def file(path: str | Given, *, sudo: bool = False, running: bool = False, max_bytes: int = 1 << 20) -> Probe:
    """The text of one regular file, symbolic links followed. Absent is proved by a searchable parent folder."""
    return Probe("posix", ("file", path), sudo, running=running, max_bytes=max_bytes)


def files(*patterns: str | Given, sudo: bool = False, running: bool = False, max_bytes: int = 1 << 20) -> Probe:
    """The texts of all regular files that match the shell patterns; read the reply with `parse.files`.

    No match gives an empty reply, not `absent`. One unreadable file makes the whole reply `denied`.
    """
    return Probe("posix", ("files", *patterns), sudo, running=running, max_bytes=max_bytes)


def stat(*paths: str | Given, sudo: bool = False, running: bool = False) -> Probe:
    """Type, mode, owner and group of paths (links followed); read the reply with `parse.stats`.

    The reply is `absent` when none of the paths exists.
    """
    return Probe("posix", ("stat", *paths), sudo, running=running)


def registry(key: str | Given, value: str | Given) -> Probe:
    r"""A registry value of a Windows machine: registry(r"HKLM\SYSTEM\…", "RequireSecuritySignature")."""
    return Probe("windows", ("registry", key, value))


def powershell(script: str, *, of: str = "", timeout_s: float = 30.0, max_bytes: int = 1 << 20) -> Probe:
    """A read-only Windows PowerShell 5.1 expression whose value comes back as JSON text.

    of: the cmdlet it needs; where there is none, the reply is `absent`.
    """
    return Probe("windows", ("powershell", script), True, of, timeout_s=timeout_s, max_bytes=max_bytes)


def api(
    service: str,
    operation: str,
    *,
    items: str = "",
    params: Mapping[str, Any] | None = None,
    everywhere: bool = True,
    permission: str = "",
    absent: tuple[str, ...] = (),
    each: Probe | None = None,
    identity: str = "",
    timeout_s: float = 60.0,
) -> Probe:
    """One AWS API call: boto3's service and method name (`s3`, `list_buckets`), paginated where it can be.

    items: JMESPath to the list of rows in a page; "" keeps the whole answer as one row. everywhere: once per enabled
    region, else once per account. permission: the IAM action, where it is not service:Operation. absent: error codes
    that mean "proved not configured" (an empty row); "Code: words" demands the words in its message too. each: once
    per row of that probe; `params` values are then JMESPath expressions over that row, and a row that lacks one of
    them is not asked about (an empty row). identity: JMESPath in a row to its name, used as the finding's subject.
    The reply is read with `parse.rows`.
    """
    form = {
        "absent": list(absent),
        "everywhere": everywhere,
        "identity": identity,
        "items": items,
        "params": dict(params or {}),
        "permission": permission,
    }
    ask = ("api", service, operation, json.dumps(form, sort_keys=True))
    return Probe("aws", ask, timeout_s=timeout_s, max_bytes=64 << 20, each=each)


def ports() -> Probe:
    """The state of every port looked at on the asset's network addresses, as seen from here. JSON: see nmap_replies."""
    return Probe("nmap", ("ports",), timeout_s=600.0, max_bytes=64 << 20)


def services() -> Probe:
    """What answers on the open ports, as far as its own answers tell; a port that tells nothing is a gap."""
    return Probe("nmap", ("services",), timeout_s=600.0, max_bytes=64 << 20)


def nse(*scripts: str) -> Probe:
    """What the named nmap scripts say; a script that is silent where it has to speak leaves a gap."""
    return Probe("nmap", ("scripts", *scripts), timeout_s=600.0, max_bytes=64 << 20)


def expected_ports() -> Probe:
    """The ports that the inventory says are open, as a JSON list such as ["22/tcp"]; nothing is sent."""
    return Probe("nmap", ("expected",))


def expected_states() -> Probe:
    """The state of each port that the inventory says is open, on each address that it names: {subject: state}."""
    return Probe("nmap", ("expected-states",), timeout_s=600.0)


def looked_at() -> Probe:
    """The instant of the look from outside, ISO 8601 in UTC: what is judged by the calendar is judged by this."""
    return Probe("nmap", ("looked-at",))


def visit(what: str) -> Probe:
    """What the transport itself learned on the way in: visit("host-key")."""
    return Probe("posix", ("visit", what))


def attestation(control: str) -> Probe:
    """What a person attested about a control that no scanner can judge."""
    return Probe("people", ("attestation", control))


def bind(probe: Probe, given: Mapping[str, Any]) -> Probe:
    """The probe with its `Given` places filled: text as it is, refused where it could be read as anything but data.

    Raises UsageError naming the place that is missing or malformed.
    """
    if not probe.open_places:
        return probe
    for name in probe.open_places:
        if not isinstance(given.get(name), str):
            raise UsageError(f"`given` lacks {name!r}; it must be a text")
    filled = replace(probe, ask=tuple(given[w.name] if isinstance(w, Given) else w for w in probe.ask))
    refuse_unsafe(filled)
    return filled


def refuse_unsafe(probe: Probe) -> None:
    """Raise UsageError where a filled-in word could be more than data to the target."""
    form = probe.ask[0]
    allowed = {"file": _PATH, "stat": _PATH, "files": _PATTERN}.get(str(form))
    for word in probe.ask[1:]:
        if isinstance(word, Given):
            continue
        if allowed and (not allowed.match(word) or "/../" in f"{word}/"):
            raise UsageError(f"{word!r} is not an absolute path of plain characters")
        if form == "registry" and any(ord(c) < 32 for c in word):
            raise UsageError(f"{word!r} holds a control character")
