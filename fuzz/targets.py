"""What is fuzzed: name -> a function of bytes that must return, or raise what is designed, whatever the bytes are.

Checks are fuzzed whole, parser and function, each with what the shipped baselines give it: one target a module.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from scanner import probes
from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.errors import RisklineError, UsageError
from scanner.gate import GatePolicy
from scanner.inventory import read_inventory
from scanner.load import parse_document, read_document
from scanner.model import Check, Fact, Reply
from scanner.plan import PlannedTerm, plan_baseline
from scanner.policy_file import read_as, read_policy
from scanner.redaction import MARK, Redactor
from scanner.register.waivers import read_waivers
from scanner.threats import guide, reading, versions
from scanner.transports import hanging, ssh_hosts
from scanner.transports.nmap_xml import Reader
from scanner.transports.people import read_attestations
from scanner.transports.posix import Batch
from scanner.transports.powershell import Batch as WindowsBatch
from tests.canaries import CANARIES

CASES = Path(__file__).parent.parent / "tests" / "cases"
BETWEEN = b"\n\xff\n"
"""Between the facts of one check, and the files of one fact."""
NONCE = "5" * 32


@dataclass(frozen=True)
class Target:
    """One target. seeds: inputs to begin with. head: so many bytes stand before the text, and choose who reads it."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    head: int = 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _terms() -> Mapping[str, tuple[PlannedTerm, ...]]:
    """Module -> every different question that a shipped baseline puts to its checks."""
    catalogue = Catalogue()
    found: dict[str, dict[str, PlannedTerm]] = defaultdict(dict)
    for file in catalogue.baseline_files().values():
        planned = plan_baseline(read_baseline(file, catalogue), catalogue, {})
        asked = [*planned.when, *(term for one in planned.controls for term in (*one.terms, *one.when))]
        for term in asked:
            place = f"{term.check.id} {json.dumps(dict(term.given), sort_keys=True, default=str)}"
            found[term.check.id.rpartition(".")[0]].setdefault(place, term)
    return {module: tuple(found[module].values()) for module in sorted(found)}


def _reply(fact: Fact[Any], data: bytes) -> str:
    """Bytes as the fact's transport would hand them over: many files come as one document."""
    if fact.probe.via == "posix" and fact.probe.ask[0] == "files" and not data.startswith(b"{"):
        paths = [str(pattern).replace("*", "x") for pattern in fact.probe.ask[1:]]
        return json.dumps(dict(zip(paths, map(_text, data.split(b"\n\xfe\n")), strict=False)))
    return _text(data)


def _check(term: PlannedTerm, data: bytes) -> None:
    parts = data.split(BETWEEN)
    values = []
    for number, fact in enumerate(term.check.facts):
        try:
            values.append(fact.parse(_reply(fact, parts[min(number, len(parts) - 1)])))
        except (RisklineError, ValueError, LookupError, RecursionError):
            return
    # botocore, and our own reader of nmap's output, give answers their types: another shape cannot come, and would be
    # unknown with the check's own error
    typed = term.check.id.startswith(("aws.", "network."))
    beside = (LookupError, TypeError, AttributeError, ValueError, OverflowError) if typed else ()
    with contextlib.suppress(RisklineError, *beside):
        term.check.observe(*values, **term.given)


def _module(module: str) -> Target:
    terms = _terms()[module]

    def run(data: bytes) -> None:
        if data:
            _check(terms[data[0] % len(terms)], data[1:])

    return Target(f"checks.{module}", run, tuple(_seeds(module, terms)), 1)


def _seeds(module: str, terms: tuple[PlannedTerm, ...]) -> Iterator[bytes]:
    place = {term.check.id: number % 256 for number, term in reversed([*enumerate(terms)])}
    file = CASES.joinpath(*module.split(".")).with_suffix(".yaml")
    if not file.is_file():
        return
    for case in read_document(file)["cases"]:
        if case["check"] in place and all(isinstance(text, str) for text in case["facts"]):
            texts = BETWEEN.join(text.encode(errors="backslashreplace") for text in case["facts"])
            yield bytes([place[case["check"]]]) + texts


# ── loaders and transports ───────────────────────────────────────────────────────────────────────────────────────────


def _yaml(data: bytes) -> None:
    with contextlib.suppress(UsageError):
        json.dumps(parse_document(data, "fuzz.yaml"), default=str)


@cache
def _file() -> Path:
    """One file, in memory where there is such a folder, for readers that take a path."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private file of a random name in it
    return Path(tempfile.NamedTemporaryFile(suffix=".yaml", dir=folder, delete=False).name)


def _of_file(read: Callable[[Path], object]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        file = _file()
        file.write_bytes(data)
        try:
            with contextlib.suppress(RisklineError):
                read(file)
        finally:
            file.unlink()

    return run


@cache
def _catalogue() -> Catalogue:
    return Catalogue()


def _feeds() -> Iterator[Target]:
    epss = (
        b"#model_version:v2026.01.01,score_date:2026-11-01T00:00:00+0000\ncve,epss,percentile\nCVE-2026-1000,0.1,0.2\n"
    )
    bounds = reading.Limits()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("DSA-1.json", _OSV)
    yield Target("osv-archive", _of_file(lambda file: [*reading.osv(file, bounds)]), (archive.getvalue(),))
    yield Target("kev", _of_file(lambda file: reading.kev(file, bounds)), (_KEV,))
    yield Target("epss", _of_file(lambda file: [*reading.epss(file, bounds)[2]]), (epss, gzip.compress(epss)))
    yield Target("ends", _of_file(lambda file: reading.ends(file, bounds)), (_ENDS,))


def _loaders() -> Iterator[Target]:
    examples = Path(__file__).parent.parent
    small = b"version: 1\nassets: {a: {address: h, access: {ssh: {user: u}}}}\n"
    head = b"id: x\nversion: '1'\ntitle: T\napplies_to: {kind: linux}\n"
    parts = [head + b"controls: []\n"]
    for part in ("linux-time", "linux-sudo", "aws-sharing", "windows-firewall"):
        text = (examples / "baselines" / "parts" / f"{part}.yaml").read_bytes()
        parts.append(head + b"\n  - id: ".join(text.split(b"\n  - id: ")[:3]))
    yield Target("baseline", _of_file(lambda file: read_baseline(file, _catalogue())), tuple(parts))
    yield Target("inventory", _of_file(read_inventory), (small, (examples / "inventory.example.yaml").read_bytes()))
    yield Target("policy", _of_file(read_policy), ((examples / "policy.example.yaml").read_bytes(),))
    yield Target(
        "gate",
        _of_file(lambda file: read_as(GatePolicy, file, "gate")),
        ((examples / "gate.example.yaml").read_bytes(),),
    )
    yield Target("waivers", _of_file(read_waivers), (_WAIVERS,))
    yield Target("attestations", _of_file(read_attestations), (_ATTESTATIONS,))


@cache
def _batches() -> tuple[Batch, ...]:
    asked = [probes.sh("x"), probes.file("/y"), probes.stat("/z"), probes.files("/w/*")]
    return tuple(Batch(asked, sudo=False, apart=apart, nonce=NONCE) for apart in (False, True))


def _framing(data: bytes) -> None:
    mark = b"\n" + NONCE.encode() + b" "
    said = data.replace(b"|", mark)
    for batch in _batches():
        with contextlib.suppress(RisklineError):
            batch.replies(said, b"", "complete")
        at, rest = hanging.behind(batch, said)
        assert at not in rest and set(rest) < set(batch.probes) | {at}


def _windows_framing(data: bytes) -> None:
    asked = [probes.powershell("x"), probes.registry(r"HKLM\X", "Y")]
    with contextlib.suppress(RisklineError):
        WindowsBatch(asked, NONCE).replies(data.replace(b"|", NONCE.encode()), b"", "complete", 1 << 20)


def _wsman(data: bytes) -> None:
    from scanner.model import Winrm
    from scanner.transports.winrm import _receive
    from scanner.transports.winrm_faults import EXPECTED, translated
    from scanner.transports.winrm_session import Leash

    leash = Leash(30.0, 1 << 20)
    protocol = _protocol()
    protocol.transport.answer = data
    with contextlib.suppress(RisklineError):
        try:
            protocol.open_shell()
            protocol.run_command("s", "c")
            _receive(_Once(protocol), "s", "c", leash)  # type: ignore[arg-type]
        except EXPECTED as error:
            raise translated(error, leash, Winrm("u", "env:X")) from error


class _Once:
    """A protocol that is asked for output once: a real one is asked until its leash ends."""

    def __init__(self, protocol: Any) -> None:
        self.protocol, self.asked = protocol, False

    def get_command_output_raw(self, *words: str) -> Any:
        if self.asked:
            return b"", b"", 0, True
        self.asked = True
        return self.protocol.get_command_output_raw(*words)


@cache
def _protocol() -> Any:
    from winrm.protocol import Protocol

    class Answers:
        answer = b""

        def send_message(self, _: object) -> bytes:
            return self.answer

    found: Any = Protocol("http://127.0.0.1:9/wsman", "ntlm", "-", "-")
    found.transport = Answers()
    return found


def _nmap(data: bytes) -> None:
    reader = Reader()
    with contextlib.suppress(RisklineError, ParseError):
        for at in range(0, len(data), 97):
            reader.feed(data[at : at + 97])
        reader.close()


def _osv(data: bytes) -> None:
    with contextlib.suppress(RisklineError, KeyError, TypeError, AttributeError, ValueError):
        reading.advisory(reading.read_json(data))


def _guide(data: bytes) -> None:
    with contextlib.suppress(RisklineError):
        guide.month("fuzzed", data)
    with contextlib.suppress(RisklineError):
        guide.issues(data)


def _order(data: bytes) -> None:
    """Keys of versions order them: nothing is below itself, and equal keys are equal both ways."""
    left, _, right = _text(data).partition("\n")
    for key in (versions.deb_key, versions.rpm_key):
        with contextlib.suppress(RisklineError, ValueError):
            a, b = key(left), key(right)
            assert (a < b) + (a == b) + (a > b) == 1
            assert key(left) == a


def _known_hosts(data: bytes) -> None:
    ssh_hosts.parse(_text(data)).about("host")


def _imports(data: bytes) -> None:
    from scanner.importing import as_inventory, from_ansible, from_csv

    for read in (from_ansible, from_csv):
        with contextlib.suppress(UsageError):
            as_inventory(read(_text(data), "fuzz"))


def _redaction(data: bytes) -> None:
    text = _text(data)
    once = Redactor(b"fuzz").replies({"one": Reply(text), "another": Reply("PASSWORD=hunter22")})["one"].text
    twice = Redactor(b"fuzz").text(once)
    # a fingerprint beside what was left may look like a longer secret; nothing else is found that was missed at first
    assert twice == once or len(MARK.findall(twice)) <= len(MARK.findall(once)), "cleaning twice finds nothing more"
    canary = CANARIES[sum(data[:8]) % len(CANARIES)]
    if canary.value not in text:  # libFuzzer copies what it sees compared, and in its own place it is no secret
        before, _, after = text.partition("\n")
        said = Redactor(b"fuzz").text(f"{before}\n{canary.text}\n{after}")
        assert canary.value not in said, f"{canary.kind} stays, whatever stands around it"


_NMAP = b"""<?xml version="1.0"?><nmaprun start="1"><scaninfo type="syn" protocol="tcp" services="22,80"/>
<host><status state="up"/><address addr="127.0.0.1" addrtype="ipv4"/><ports><port protocol="tcp" portid="22">
<state state="open" reason="syn-ack"/><service name="ssh" method="probed" conf="10"/><script id="s" output="o">
<table key="k"><elem>v</elem></table></script></port></ports></host><runstats><finished time="2" exit="success"/>
</runstats></nmaprun>"""
_WSMAN = b"""<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:r="http://schemas.microsoft.com/wbem/wsman/1/windows/shell">
<s:Body><r:Shell><r:ShellId>s</r:ShellId></r:Shell><r:CommandResponse><r:CommandId>c</r:CommandId></r:CommandResponse>
<r:ReceiveResponse><r:Stream Name="stdout" CommandId="c">YQ==</r:Stream><r:CommandState CommandId="c"
State="http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done"><r:ExitCode>0</r:ExitCode></r:CommandState>
</r:ReceiveResponse></s:Body></s:Envelope>"""
_OSV = json.dumps(
    {
        "id": "DSA-1", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-1"], "summary": "s",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "bash"},
                      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.2-2"}]}]}],
    }
).encode()  # fmt: skip
_GUIDE = json.dumps(
    {
        "DocumentTracking": {"Identification": {"ID": {"Value": "2026-Nov"}}, "CurrentReleaseDate": "2026-11-20"},
        "ProductTree": {"FullProductName": [{"ProductID": "11923", "Value": "Windows Server 2022"}]},
        "Vulnerability": [{
            "CVE": "CVE-2026-10001", "Title": {"Value": "t"},
            "ProductStatuses": [{"Type": 3, "ProductID": ["11923"]}],
            "Threats": [{"Type": 1, "Description": {"Value": "Exploited:Yes"}}],
            "CVSSScoreSets": [{"Vector": "CVSS:3.1/AV:N", "ProductID": ["11923"]}],
            "Remediations": [{"Type": 2, "SubType": "Security Update", "Description": {"Value": "5068787"},
                              "FixedBuild": "10.0.20348.4405", "Supercedence": "5066782", "ProductID": ["11923"]}],
        }],
    }
).encode()  # fmt: skip
_KEV = json.dumps(
    {
        "dateReleased": "2026-11-01T00:00:00.0Z", "count": 1,
        "vulnerabilities": [{"cveID": "CVE-2026-1", "dateAdded": "2026-10-01", "knownRansomwareCampaignUse": "Known"}],
    }
).encode()  # fmt: skip
_ENDS = json.dumps(
    {
        "total": 1, "generated_at": "2026-11-01T00:00:00Z",
        "result": [{"name": "debian", "releases": [{"name": "12", "eolFrom": "2026-06-10", "eoesFrom": None}]}],
    }
).encode()  # fmt: skip
_WAIVERS = b"""version: 1
waivers:
  - {control: SSH-01, asset: web-*, owner: o, approver: a, until: 2027-01-01, reason: w}
"""
_ATTESTATIONS = b"""attestations:
  - {asset: a, control: C-1, answer: "yes", who: w, at: 2026-11-01, until: 2027-05-01, evidence: x.pdf}
"""
_LISTS = (
    b"[web]\nh[1:3] ansible_port=22\n[web:vars]\nx=1\n",
    b"web:\n  vars: {ansible_user: u}\n  hosts:\n    h[1:3]: {ansible_port: 22}\n  children:\n    db: {hosts: {d: }}\n",
    b'{"_meta": {"hostvars": {"h": {"ansible_port": 22}}}, "web": {"hosts": ["h"], "children": ["d"], "vars": {}}}',
    b"id,address\na,h\n",
)
_FRAMES = b"|HELLO RAW\n|A 0\n|B 0\nanswer|E 0 0\n|UID 0\n|END\n"
_BOMB = b"a: &a [x, x]\nb: &b [*a, *a]\nc: {<<: [{x: 1}], y: *b}\n- {}\n"
_OTHERS = (
    Target("yaml", _yaml, (_BOMB, b"version: 1\nassets: {a: {access: {local: {}}}}\n")),
    Target("framing", _framing, (_FRAMES,)),
    Target("windows-framing", _windows_framing, (b'|{"1": {"t": "x"}}|',)),
    Target("ws-man", _wsman, (_WSMAN,)),
    Target("nmap-xml", _nmap, (_NMAP,)),
    Target("osv", _osv, (_OSV,)),
    Target("guide", _guide, (_GUIDE,)),
    Target("version-order", _order, (b"1:2.0~rc1-1+deb12u1\n2.0-1", b"5.14.0-427.13.1.el9_4\n5.14.0-427.el9")),
    Target("known-hosts", _known_hosts, (b"|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA\n@revoked [h]:22 ssh-rsa AAAA c\n",)),
    Target("imports", _imports, _LISTS),
    Target("redaction", _redaction, (b"password=hunter2 $6$a$bbbbbbbbbbbbbbbbbbbbbbbb\n", b'{"Secret": "x y z w"}')),
)


@cache
def targets() -> Mapping[str, Target]:
    """All of them by name."""
    found = [*_OTHERS, *_loaders(), *_feeds(), *(_module(module) for module in _terms())]
    return {one.name: one for one in found}


def checks_without_a_question() -> set[str]:
    """Built-in checks that no shipped baseline puts a question to, and that are not fuzzed therefore."""
    known: set[Check] = {term.check for terms in _terms().values() for term in terms}
    return {one.id for one in Catalogue().checks() if one not in known}
