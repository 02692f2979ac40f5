"""One batch for a Windows machine: all probes as one PowerShell 5.1 script on standard input, one JSON document back.

Questions reach the machine as data: registry places stand in a JSON table inside the script, never in its code. The
answer is framed by a random nonce; between the frames lies one document, compressed where the session's language mode
lets it be. Each probe has its own status, so one that is denied or too slow costs no other.

    <nonce> GZ | RAW      the document follows: base64 of gzip, or plain JSON under Constrained Language Mode
    <nonce> END           nothing is missing

A reply's text is JSON. `registry`: {"found": "value", "kind": "DWord", "value": 1}, {"found": "key"} where the key has
no such value, {"found": "nothing"} where there is no such key; a key below HKU\\*\\ gives {"users": {SID: reading}} of
every user who is logged on. `powershell` and `exported`: the list of objects that the expression gave.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from scanner.errors import VisitFailed
from scanner.model import Given, Probe, Problem, Reply
from scanner.transports.powershell_script import BOOTSTRAP, ENDING, EXPORTS, PRELUDE

Ended = Literal["complete", "timed-out", "truncated", "broken-off"]
"""How the stream of one visit ended: by itself, at the deadline, at the byte cap, or torn."""

__all__ = ["BOOTSTRAP", "Batch", "Ended"]

_EXPORT_TIMEOUT_S = 60.0
_EXPORT_BYTES = 4 << 20
_HERE_STRING_END = re.compile(r"^\s*['\u2018-\u201b]@", re.MULTILINE)
_DENIED = re.compile(r"PermissionDenied|UnauthorizedAccess|SecurityException|AccessDenied|0x80070005|0x80041003")
_KEY = re.compile(r"(HKLM|HKU)\\.")
_PLAIN: Mapping[str, Problem] = {"absent": "absent", "truncated": "truncated", "timed-out": "timed-out"}
_GRANT = "needs a login that is a local administrator (see `riskline permissions`)"


@dataclass(frozen=True, slots=True)
class Batch:
    """One visit's probes, the script that puts them, and the reading of the answer.

    seconds: after this long the script starts no further question; those left are answered `timed-out`.
    """

    probes: Sequence[Probe]
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))
    seconds: int = 240

    @property
    def put(self) -> list[tuple[int, Probe]]:
        """The probes that the script puts, numbered."""
        return [(number, probe) for number, probe in enumerate(self.probes) if _refusal(probe) is None]

    @property
    def script(self) -> str:
        """The whole script, in ASCII, so that no code page on the way can change it."""
        head = f"$nonce = '{self.nonce}'\n$seconds = {self.seconds}\n"
        return f"{head}{PRELUDE}\n$replies = @(\n{self._registry()}{self._scripts()})\n{ENDING}"

    def _registry(self) -> str:
        rows = [
            json.dumps({"n": number, "k": probe.ask[1], "v": probe.ask[2]})
            for number, probe in self.put
            if probe.ask[0] == "registry"
        ]
        if not rows:
            return ""
        table = ",\n".join(rows)
        return (
            f"foreach ($one in (ConvertFrom-Json -InputObject @'\n[{table}]\n'@)) "
            "{ Get-RisklineRegistry $one.n $one.k $one.v }\n"
        )

    def _scripts(self) -> str:
        calls = []
        for number, probe in self.put:
            if probe.ask[0] == "registry":
                continue
            source, limit, cap = str(probe.ask[1]), probe.timeout_s, probe.max_bytes
            if probe.ask[0] == "exported":
                source, limit, cap = EXPORTS[source].strip(), _EXPORT_TIMEOUT_S, _EXPORT_BYTES
            calls.append(
                f"Get-RisklineAnswer {number} '{probe.absence}' {limit:g} {cap} ${str(probe.privileged).lower()} "
                f"@'\n{source}\n'@\n"
            )
        return "".join(calls)

    def replies(self, stdout: bytes, stderr: bytes, ended: Ended, max_bytes: int = 64 << 20) -> dict[Probe, Reply]:
        """Every probe's reply; max_bytes bounds what is unpacked.

        Raises VisitFailed where the script ended by itself without a whole document, or with one that cannot be read.
        """
        rows: dict[int, dict[str, Any]] = {}
        document = _document(stdout, self.nonce, max_bytes)
        if document is not None:
            rows = _rows(document)
        elif ended in {"complete", "broken-off"}:
            raise VisitFailed(_silence(stdout, stderr, self.nonce))
        return {probe: self._reply(number, probe, rows, ended) for number, probe in enumerate(self.probes)}

    def _reply(self, number: int, probe: Probe, rows: Mapping[int, dict[str, Any]], ended: Ended) -> Reply:
        why = _refusal(probe)
        if why is not None:
            return Reply(problem="unsupported", detail=why)
        if number in rows:
            return _read(rows[number], probe)
        if ended == "timed-out":
            return Reply(problem="timed-out", detail="the visit's deadline came first")
        if ended == "truncated":
            return Reply(problem="truncated", detail="the visit's byte limit came first")
        return Reply(problem="failed", detail="the machine left this question out of its answer")


def _refusal(probe: Probe) -> str | None:
    """Why a probe is not put, or None."""
    form, words = probe.ask[0], [str(word) for word in probe.ask[1:] if not isinstance(word, Given)]
    if probe.via != "windows" or len(words) != len(probe.ask) - 1:
        return f"a Windows machine cannot be asked {probe.key}"
    if form == "registry" and len(words) == 2:
        return None if _KEY.match(words[0]) else f"{words[0]}: a registry key begins with HKLM\\ or HKU\\"
    if form == "exported" and words[0] in EXPORTS:
        return None
    if form != "powershell":
        return f"a Windows machine cannot be asked {probe.key}"
    if not words[0].isascii() or _HERE_STRING_END.search(words[0]):
        return "a PowerShell expression is plain ASCII and has no line that begins with '@"
    return None if re.fullmatch(r"[A-Za-z0-9.-]*", probe.absence) else f"{probe.absence!r} is no name of a cmdlet"


def _document(stdout: bytes, nonce: str, max_bytes: int) -> bytes | None:
    """What lies between the frames, unpacked; None where the end mark is missing."""
    text = stdout.replace(b"\r", b"")
    mark = nonce.encode()
    end = text.rfind(mark + b" END")
    for kind in (b" GZ\n", b" RAW\n"):
        begin = text.find(mark + kind)
        if 0 <= begin < end:
            body = text[begin + len(mark + kind) : end]
            return _unpacked(body, max_bytes) if kind == b" GZ\n" else body[:max_bytes]
    return None


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    try:
        unpacker = zlib.decompressobj(wbits=31)
        found = unpacker.decompress(base64.b64decode(b"".join(body.split()), validate=True), max_bytes)
    except (binascii.Error, zlib.error) as error:
        raise VisitFailed(f"the answer cannot be unpacked: {error}") from error
    if unpacker.unconsumed_tail:
        raise VisitFailed(f"the answer is larger than {max_bytes} bytes once unpacked")
    if not unpacker.eof:
        raise VisitFailed("the answer cannot be unpacked: it was cut")
    return found


def _rows(document: bytes) -> dict[int, dict[str, Any]]:
    """'[{"n": 0, "s": "ok", "t": "…"}]' -> {0: {…}}. Raises VisitFailed for anything else."""
    try:
        found = json.loads(document.decode("utf-8", errors="backslashreplace"))
    except (ValueError, RecursionError) as error:
        raise VisitFailed(f"the answer is not the JSON that was asked for: {str(error)[:200]}") from error
    if not isinstance(found, list):
        raise VisitFailed("the answer is not the list that was asked for")
    return {row["n"]: row for row in found if isinstance(row, dict) and type(row.get("n")) is int}


def _read(row: Mapping[str, Any], probe: Probe) -> Reply:
    """One row of the answer as a reply; a status that we do not know is a failure, never a success."""
    status, text, took = row.get("s"), row.get("t"), row.get("ms")
    took_s = took / 1000 if isinstance(took, int) and 0 <= took < 10**7 else 0.0
    detail = str(row.get("d") or "")[:500]
    if status == "ok" and isinstance(text, str):
        cap = max(probe.max_bytes, _EXPORT_BYTES if probe.ask[0] == "exported" else 0)
        if len(text.encode("utf-8", errors="surrogatepass")) > cap:
            return Reply(problem="truncated", detail=f"longer than {cap} bytes", took_s=took_s)
        return Reply(text, took_s=took_s)
    if status == "denied" or (status == "error" and _DENIED.search(str(row.get("e") or "")[:2000])):
        return Reply(problem="denied", detail="; ".join(filter(None, [detail, _GRANT])), took_s=took_s)
    return Reply(problem=_PLAIN.get(str(status), "failed"), detail=detail or f"status {status!r:.80}", took_s=took_s)


def _silence(stdout: bytes, stderr: bytes, nonce: str) -> str:
    """What to say of a visit that ended without its end mark."""
    said = complaint(stderr)
    begun = nonce.encode() in stdout
    what = "the machine broke off in the middle of its answer" if begun else "PowerShell ended without an answer"
    return f"{what}: {said}" if said else what


def complaint(stderr: bytes) -> str:
    """The first words of PowerShell's error stream, out of the XML that it wraps them in, at most 300 characters."""
    text = stderr[:20000].decode("utf-8", errors="replace")
    if text.startswith("#< CLIXML"):
        text = "".join(re.findall(r'<S S="Error">([^<]*)</S>', text)).replace("_x000D__x000A_", " ")
    return " ".join(text.split())[:300]
