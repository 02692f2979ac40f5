"""The nouns of Riskline: frozen values, and nothing that opens, runs or waits.

    Inventory ─▶ plan ─▶ collect ─▶ evaluate ─▶ score ─▶ record ─▶ report
     Asset       Probe    Evidence   Finding     Score    Run
                   ▲                    ▲
              Fact, Check        Baseline, Control

Units stand in names (`timeout_s`, `max_bytes`); instants end in `_at` and are aware UTC datetimes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Literal, TypeVar

T = TypeVar("T")

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A setting that nobody wrote down, and the value that is in force all the same: the program's own default.

    It is held against the expectation as "not set". Where what is in force is good, the failure is a slight one.
    """

    in_force: Scalar


@dataclass(frozen=True, slots=True)
class Unclear:
    """What could not be found out about one subject among others, and why; its finding is UNKNOWN."""

    why: str


@dataclass(frozen=True, slots=True)
class Idle:
    """What was found on a thing that nothing uses today. A failure there is a slight one, until something does."""

    value: Scalar | list[Any]


Observed = Scalar | Unwritten | Unclear | Idle | list[Any] | Mapping[str, Any]
"""A scalar, a list of scalars, or a mapping subject → scalar or list; a mapping gives one finding per subject."""

Via = Literal["posix", "windows", "aws", "nmap", "people"]
Kind = Literal["linux", "windows", "aws", "network", "organisation"]
Zone = Literal["internet", "partner", "internal", "restricted", "isolated"]
Level = Literal[1, 2, 3, 4, 5]
Vector = Literal["network", "adjacent", "local", "physical"]
Extent = Literal["none", "partial", "total"]
Problem = Literal[
    "absent",  # proved not to be there
    "unreachable",  # no route, refused, name not found, time-out of the connection
    "auth-failed",  # bad credential, host key changed, token expired
    "denied",  # sudo, UAC, IAM or a file mode kept this one answer away
    "failed",  # it ran and failed; its error text is the detail
    "timed-out",
    "truncated",  # longer than the cap; what came is never judged
    "throttled",
    "not-running",  # needs a running system, and this is a root file system at rest
    "unsupported",  # this kind of target cannot be asked this
    "unparsable",
    "check-bug",
]
"""Why there is no answer, or no verdict. `absent` is the only one that proves something."""
WAYS: Mapping[str, Via] = {
    "ssh": "posix",
    "local": "posix",
    "chroot": "posix",
    "winrm": "windows",
    "aws": "aws",
    "nmap": "nmap",
    "people": "people",
}
"""Name of a way in (its transport) → the kind of probes it can put."""


class Outcome(StrEnum):
    """What one control says of one subject on one asset."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"
    UNKNOWN = "unknown"


class _Strict:
    """Read by the validator in load.py: unknown keys are refused, wherever the value is written down."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}


# ── what is asked and answered ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Given:
    """A place in a probe that is filled from a control's `given` when the run is planned."""

    name: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One read-only question to an asset. Make one with the constructors in probes.py.

    via: which kind of transport can put the question.
    ask: the question in that transport's own terms; the first word is its form ("sh", "file", "stat", "registry" …).
    privileged: needs root, an administrator, or nothing where that has no meaning.
    absence: the program whose absence proves that the subject is absent (form "sh" only).
    running: needs a running system; a root file system at rest answers `not-running`.
    timeout_s, max_bytes: bounds for this one answer.
    sensitive: the answer may hold secrets; the transport reduces it before it is kept.
    each: put this question once for every row of that other probe's answer (a second wave).
    """

    via: Via
    ask: tuple[str | Given, ...]
    privileged: bool = False
    absence: str = ""
    running: bool = False
    timeout_s: float = 10.0
    max_bytes: int = 1 << 20
    sensitive: bool = False
    each: Probe | None = None

    @property
    def key(self) -> str:
        """The name of this probe in evidence: stable across releases as long as the question is the same."""
        words = " ".join(f"{{{word.name}}}" if isinstance(word, Given) else word for word in self.ask)
        over = f" ← {self.each.key}" if self.each else ""
        return f"{self.via}:{words}{over}"

    @property
    def open_places(self) -> tuple[str, ...]:
        """Names of `given` that must be filled before the question can be put."""
        return tuple(word.name for word in self.ask if isinstance(word, Given))


@dataclass(frozen=True, slots=True)
class Gap:
    """One subject that a reply could not cover: a denied region, an unreadable bucket policy."""

    subject: str
    problem: Problem
    detail: str = ""

    def covers(self, subject: str) -> bool:
        """Whether the subject is the gap's own, or lies in the region that the gap names ('eu-west-1')."""
        return subject == self.subject or (subject.startswith("arn:") and subject.split(":", 4)[3] == self.subject)


class _Hashed:
    """Room for a digest that is worked out once: a frozen value with slots takes no `cached_property`."""

    __slots__ = ("_digest",)
    _digest: bytes


@dataclass(frozen=True, slots=True)
class Reply(_Hashed):
    """The answer to one probe, verbatim, or the problem that kept it away.

    gaps: subjects inside an otherwise good answer that could not be read; each becomes an UNKNOWN finding.
    """

    text: str = ""
    problem: Problem | None = None
    detail: str = ""
    took_s: float = 0.0
    gaps: tuple[Gap, ...] = ()

    @property
    def text_digest(self) -> bytes:
        """SHA-256 of the text in UTF-8, lone surrogates included."""
        try:
            return self._digest
        except AttributeError:
            object.__setattr__(self, "_digest", text_digest(self.text))
            return self._digest


@dataclass(frozen=True, slots=True)
class Evidence:
    """All replies of one visit to one asset, by probe key, with when and by which version.

    failures: via → "problem: detail" for each way in that failed as a whole (all its probes carry that problem).
    digest: of asset, replies and failures (`answers_digest`); the same answers give the same digest.
    """

    asset: str
    collected_at: datetime
    tool_version: str
    replies: Mapping[str, Reply]
    failures: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A probe plus the pure parser that reads its reply's text into a typed value.

    The parser raises ValueError, LookupError or Unparsable on a shape that it does not know, Absent where the answer
    proves that there is nothing to read, and nothing else.
    at_use: programs read it anew at each use, so that what is written is what is in force.
    fleeting: what, in a line of the answer, matches this regular expression tells how a system runs at this moment (a
    counter, a process); two answers that differ in nothing else are no drift.
    """

    probe: Probe
    parse: Callable[[str], T]
    at_use: bool = False
    fleeting: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A pure function of facts that returns what is observed. Made by the decorator `check`."""

    id: str
    facts: tuple[Fact[Any], ...]
    observe: Callable[..., Observed]
    doc: str


# ── policy ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Effect(_Strict):
    """What a successful misuse costs, of the asset's own confidentiality, integrity and availability."""

    c: Extent = "partial"
    i: Extent = "partial"
    a: Extent = "partial"


@dataclass(frozen=True, slots=True)
class Term(_Strict):
    """One question with its expectation: a check, its parameters, and what its observed value should be."""

    check: str
    given: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Control(_Strict):
    """One line of policy. Either check + given + expect, or `all`/`any` over several such terms, or `manual`.

    manual: a question that no scanner can answer; a person does, by an attestation. "yes" is the good answer.

    when: terms that must all hold, else the control is not applicable.
    unless_asked: what `when` says is a choice between several ways of doing the same, each of them good; whoever
    selects the control by a name of its own asks for its verdict, whichever way was chosen.
    exploit: 1 theory … 5 no skill needed, or exploited now. effort: what the fix takes.
    root_cause: what ONE change removes; findings of the same cause on one asset count once.
    weakness: "whole" (any failing subject counts fully) or "share" (failing ÷ judged subjects).
    """

    id: str
    title: str
    why: str
    fix: str
    check: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    all: tuple[Term, ...] = ()
    any: tuple[Term, ...] = ()
    manual: str = ""
    when: tuple[Term, ...] = ()
    unless_asked: bool = False
    vector: Vector = "network"
    exploit: Level = 3
    effect: Effect = field(default_factory=Effect)
    root_cause: str = ""
    when_absent: Literal["pass", "fail", "not-applicable", "unknown"] = "unknown"
    weakness: Literal["whole", "share"] = "whole"
    effort: Literal["minutes", "hours", "days", "weeks"] = "hours"
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    levels: tuple[str, ...] = ()

    @property
    def cause(self) -> str:
        """The stable key of the fix; the control's own id where no cause was named."""
        return self.root_cause or self.id

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms that are judged, whichever way they were written."""
        if self.manual:
            return ()
        return self.all or self.any or (Term(self.check, self.given, self.expect),)


@dataclass(frozen=True, slots=True)
class AppliesTo(_Strict):
    """Which assets a baseline is for: a kind, and terms that must hold on the asset itself."""

    kind: Kind
    when: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline(_Strict):
    """A named, versioned set of controls, after `extends` and `parameters` were resolved.

    digest: SHA-256 over its canonical JSON, so that a run can say exactly what it was judged by.
    """

    id: str
    version: str
    title: str
    applies_to: AppliesTo
    controls: tuple[Control, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""


# ── inventory ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Ssh(_Strict):
    """Access over SSH. `password`, `key` passphrases and the like are references, never values.

    host_keys: "known" refuses a host that known_hosts does not list; "accept-new" learns a first key, never a second.
    sudo: "auto" tries `sudo -n` once and goes on without; "never" does not try; "collector" asks for the one script
    that was installed for it, so that the account needs no other right (see `riskline permissions -f collector`).
    """

    user: str | None = None
    port: int | None = None
    key: str | None = None
    key_passphrase: str | None = None
    password: str | None = None
    agent: bool = False
    jump: str | None = None
    config: str = "~/.ssh/config"
    known_hosts: tuple[str, ...] = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
    host_keys: Literal["known", "accept-new"] = "known"
    sudo: Literal["auto", "never", "collector"] = "auto"
    connect_timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Local(_Strict):
    """This machine. sudo as for SSH."""

    sudo: Literal["auto", "never", "collector"] = "auto"


@dataclass(frozen=True, slots=True)
class Chroot(_Strict):
    """A mounted or unpacked root file system on this machine."""

    path: str


@dataclass(frozen=True, slots=True)
class Winrm(_Strict):
    """Access over WinRM. HTTPS with verification unless said otherwise; `password` is a reference.

    transport: how to authenticate. fingerprint: pin the server certificate (SHA-256, hex) instead of a CA.
    """

    user: str
    password: str
    port: int | None = None
    scheme: Literal["https", "http"] = "https"
    transport: Literal["ntlm", "basic", "kerberos", "credssp", "certificate"] = "ntlm"
    ca_file: str | None = None
    fingerprint: str | None = None
    connect_timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Aws(_Strict):
    """Access to an AWS account. Without keys here, boto3's own chain decides (profile, environment, role).

    role: assume this role (ARN) first. endpoint: another API endpoint, for test servers and private endpoints.
    access_key_id and secret_access_key are references.
    organization: each active account of the organization becomes an asset of its own when a scan begins, entered by the
    `role` of that name; accounts: the same for accounts by number; profiles: the same for profiles by name.
    """

    profile: str | None = None
    role: str | None = None
    external_id: str | None = None
    organization: bool = False
    accounts: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    home_region: str = "us-east-1"
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None


@dataclass(frozen=True, slots=True)
class Organisation(_Strict):
    """No machine at all: what only people can say, by attestations."""


@dataclass(frozen=True, slots=True)
class Access(_Strict):
    """The way in: exactly one of these."""

    ssh: Ssh | None = None
    local: Local | None = None
    chroot: Chroot | None = None
    winrm: Winrm | None = None
    aws: Aws | None = None
    organisation: Organisation | None = None

    @property
    def way(self) -> Ssh | Local | Chroot | Winrm | Aws | Organisation | None:
        """The one that is set."""
        return self.ssh or self.local or self.chroot or self.winrm or self.aws or self.organisation


USUAL_PORTS = "top-1000,2375-2376,2379,4646,5984,6379,6443,8983,10250,10255,11211,27017,U:53,161"
"""nmap's most used ports leave out those of many databases and clusters, and every port of UDP."""


@dataclass(frozen=True, slots=True)
class Network(_Strict):
    """What the network should see of an asset from where we scan.

    addresses: IP addresses, names or CIDR blocks (IPv4 up to /22); the asset's own address where empty.
    expected_open: like "22/tcp"; everything else that is found open is unexpected. ports: what is looked at, in
    nmap's own notation ("1-1024,3306") or "top-100" … viewpoint: a name for where we scan from, `from` in the file;
    the name of a zone says that what is seen open from there is exposed like that. fingerprints: of certificates and
    host keys that may be shown, whatever was shown before ("SHA256:…").
    """

    addresses: tuple[str, ...] = ()
    expected_open: tuple[str, ...] = ()
    ports: str = USUAL_PORTS
    viewpoint: str = "here"
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Criticality(_Strict):
    """How much confidentiality, integrity and availability of the asset matter, 1 to 5 each."""

    c: Level = 3
    i: Level = 3
    a: Level = 3


@dataclass(frozen=True, slots=True)
class Match(_Strict):
    """Which resources a rule is for: those that have every one of these tags; values take shell wildcards."""

    tag: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Worth(_Strict):
    """What a rule says of a resource: its criticality, or the service whose criticality it has."""

    criticality: Criticality | None = None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Rule(_Strict):
    """What the resources of a cloud account are worth, by their tags. Of several rules that match, the first counts."""

    when: Match
    set: Worth


@dataclass(frozen=True, slots=True)
class Asset(_Strict):
    """Something in the inventory that has an owner and a value.

    site: where it is visited from, by `riskline worker --site …`; "" for the machine that runs the scan.
    rules: what its parts are worth by their tags. parts: subject -> criticality, of the parts that a rule has valued.
    seen_from: control id -> the zone from which the port that it is about was seen open, whatever `zone` says.
    tags_of: subject -> the tags that the account's own thing of that name has.
    """

    id: str
    address: str | None = None
    access: Access | None = None
    network: Network | None = None
    owner: str | None = None
    service: str = "unassigned"
    environment: str | None = None
    zone: Zone = "internal"
    criticality: Criticality = field(default_factory=Criticality)
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    attestations: str | None = None
    description: str = ""
    site: str = ""
    rules: tuple[Rule, ...] = ()
    parts: Mapping[str, Criticality] = field(default_factory=dict)
    seen_from: Mapping[str, Zone] = field(default_factory=dict)
    tags_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def criticality_of(self, subject: str) -> Criticality:
        """What one part of the asset is worth: what a rule says of it, else what the whole is worth."""
        return self.parts.get(subject, self.criticality)

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways into this asset, the login before the look from outside: ("ssh", "nmap")."""
        login = [name for name in WAYS if self.access and getattr(self.access, name, None)]
        return (*login, "nmap") if self.network else tuple(login)

    @property
    def kind(self) -> Kind:
        """What sort of thing this is, by its way in."""
        if self.access is None or self.access.way is None:
            return "network"
        if self.access.winrm:
            return "windows"
        if self.access.organisation:
            return "organisation"
        return "aws" if self.access.aws else "linux"


@dataclass(frozen=True, slots=True)
class Service:
    """A business service: the scope that money and criticality belong to."""

    id: str
    owner: str | None = None
    criticality: Criticality | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Attestation(_Strict):
    """A person's answer to a `manual` control. asset: an id, or "*" for every asset. at, until: dates, YYYY-MM-DD.

    evidence: where it can be looked up, or a file beside the attestations, whose SHA-256 is then held against `sha256`.
    """

    asset: str
    control: str
    answer: Literal["yes", "no", "not-applicable"]
    who: str
    at: str
    until: str
    evidence: str = ""
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Courtesy(_Strict):
    """At most how many visits are under way at once in what they share.

    network: an IPv4 /24, an IPv6 /64, a domain. gateway: a jump host; sshd turns away from its eleventh caller on, who
    has not logged in yet (MaxStartups). account: a cloud account, which each visit asks sixteen questions at a time.
    """

    network: int = 32
    gateway: int = 8
    account: int = 1

    def __post_init__(self) -> None:
        for name in ("network", "gateway", "account"):
            if not 1 <= getattr(self, name) <= 64:
                raise ValueError(f"`{name}` is 1 to 64 visits at once")


@dataclass(frozen=True, slots=True)
class Inventory:
    """All assets, in the order of the file. digest: SHA-256 of the file's bytes.

    addresses: every address, block and name in it, also of assets that `limit` leaves out. left_out: whether it did.
    """

    path: str
    assets: tuple[Asset, ...]
    services: Mapping[str, Service] = field(default_factory=dict)
    digest: str = ""
    addresses: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    at_once: Courtesy = field(default_factory=Courtesy)


# ── results ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Finding:
    """What one control says of one subject on one asset.

    subject: "" where the control is about the asset as a whole. reason: why it is UNKNOWN or NOT_APPLICABLE.
    observed, expected: for people, already bounded in length. weakness: share of the control that is missing, 0..1.
    compensation: what something else leaves of the chances to use it, 0.05..1; the register says what and until when.
    """

    asset: str
    baseline: str
    control: str
    subject: str
    outcome: Outcome
    reason: str = ""
    observed: str = ""
    expected: str = ""
    detail: str = ""
    weakness: float = 1.0
    compensation: float = 1.0


@dataclass(frozen=True, slots=True)
class Score:
    """Risk of one scope (an asset, a service, the organisation), as SCORING in docs/ defines it.

    expected_loss: R, per year, in the policy's units. chance: P of at least one loss in a year, 0..1.
    score: 100·R/(R+tolerance), unrounded. likelihood, impact: levels 1..5 for the map; 0 where nothing is open.
    judged, applicable: coverage = judged ÷ applicable.
    """

    expected_loss: float
    chance: float
    score: float
    likelihood: int
    impact: int
    judged: int
    applicable: int

    @property
    def coverage(self) -> float:
        """Judged ÷ applicable, 0..1; 1 where nothing applies."""
        return self.judged / self.applicable if self.applicable else 1.0


@dataclass(frozen=True, slots=True)
class Risk:
    """Findings of one root cause in one service, placed on the map; ordering always uses `expected_loss`.

    expected_loss: R of this cause alone. assets: those it is open on.
    """

    service: str
    root_cause: str
    title: str
    expected_loss: float
    chance: float
    likelihood: int
    impact: int
    assets: tuple[str, ...]
    findings: int


@dataclass(frozen=True, slots=True)
class Visited:
    """What became of one asset in one run.

    controls: (baseline id, control id) → those that this asset alone has, one for each of its known flaws.
    """

    asset: Asset
    baselines: tuple[str, ...]
    findings: Sequence[Finding]
    score: Score
    collected_at: datetime | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    evidence_digest: str = ""
    controls: Mapping[tuple[str, str], Control] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The organisation's score at the end of one run. expected_loss: R a year. coverage: 0..1."""

    run: str
    at: datetime
    score: float
    expected_loss: float
    coverage: float


@dataclass(frozen=True, slots=True)
class AcceptedRisk:
    """A risk that somebody bears knowingly. until: the last day on which that holds.

    state: valid, expiring (soon), expired, or unused (what it was about is fixed).
    """

    asset: str
    service: str
    baseline: str
    control: str
    subject: str
    title: str
    root_cause: str
    owner: str
    approver: str
    reason: str
    until: date
    state: Literal["valid", "expiring", "expired", "unused"]


@dataclass(frozen=True, slots=True)
class Charge:
    """Who deals with the open risks of one root cause in one service. owner: "" where nobody was named.

    due: the earliest day by which one of them should be dealt with. overdue: how many should have been.
    """

    service: str
    root_cause: str
    owner: str
    due: date | None
    overdue: int


@dataclass(frozen=True, slots=True)
class History:
    """What the register adds to a run. trend: runs over the same estate, oldest first, this one last.

    day: the day the dates are held against. head: the hash, in hex, that stands for the register's whole history.
    untreated: the organisation's expected yearly loss without what is accepted on that day; None where not known.
    standing: failures of earlier runs that this one could not look at again; they count in its scores.
    """

    day: date
    trend: tuple[TrendPoint, ...]
    accepted: tuple[AcceptedRisk, ...]
    charges: tuple[Charge, ...]
    head: str
    untreated: float | None = None
    standing: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the pipeline: what was planned, reached, judged, missed. Everything a report needs.

    controls: (baseline id, control id) → the control as it was judged. state: "complete", "partial" (some asset was
    not judged before the run ended) or "running". history: what the register adds, where one is kept; not stored.
    inherent: the organisation if no control held at all; None in runs of earlier releases. scope: digest of the ids of
    the assets that were to be visited: what makes two runs the same job; "" in runs of earlier releases.
    tool_digest: SHA-256 over Riskline's own code; feeds: feed → SHA-256 of the list that known flaws were looked up in.
    """

    id: str
    started_at: datetime
    finished_at: datetime | None
    tool_version: str
    inventory: str
    inventory_digest: str
    baselines: Mapping[str, str]
    controls: Mapping[tuple[str, str], Control]
    visited: tuple[Visited, ...]
    services: Mapping[str, Score]
    organisation: Score
    risks: tuple[Risk, ...]
    state: Literal["complete", "partial", "running"] = "complete"
    policy: Mapping[str, Any] = field(default_factory=dict)
    history: History | None = None
    inherent: Score | None = None
    scope: str = ""
    tool_digest: str = ""
    feeds: Mapping[str, str] = field(default_factory=dict)

    def each_finding(self) -> Iterator[Finding]:
        """One finding after the other, in the order of the inventory."""
        return (finding for visited in self.visited for finding in visited.findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings at once, in the order of the inventory."""
        return tuple(self.each_finding())


_PIECE = 100_000
"""So many letters at a time: a larger copy is fresh memory every time, which costs more than the hashing."""


def text_digest(text: str) -> bytes:
    """SHA-256 of a text in UTF-8, lone surrogates included."""
    whole = hashlib.sha256()
    for start in range(0, len(text), _PIECE):
        whole.update(text[start : start + _PIECE].encode(errors="surrogatepass"))
    return whole.digest()


def answers_digest(asset: str, replies: Mapping[str, Reply], failures: Mapping[str, str]) -> str:
    """SHA-256 over what was answered, not over when nor how long it took: the same answers give the same digest.

    It is taken of canonical JSON in which the SHA-256 of each text stands for the text.
    """
    said = {
        key: [reply.text_digest.hex(), reply.problem, reply.detail, [astuple(gap) for gap in reply.gaps]]
        for key, reply in replies.items()
    }
    return _canonical_digest([asset, said, dict(failures)])


def is_digest_of(digest: str, evidence: Evidence) -> bool:
    """Whether these are the answers that the digest was taken of, by today's rule or by the one before it."""
    if digest == answers_digest(evidence.asset, evidence.replies, evidence.failures):
        return True
    said = {key: {**asdict(reply), "took_s": 0} for key, reply in evidence.replies.items()}
    return digest == _canonical_digest([evidence.asset, said, dict(evidence.failures)])


def _canonical_digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def utc_now() -> datetime:
    """The present instant, aware, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
