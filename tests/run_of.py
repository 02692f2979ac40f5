"""A run to report: an estate of several kinds of asset with every outcome and reason, scored by the real score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Literal

from scanner.model import (
    AcceptedRisk,
    Access,
    Asset,
    Aws,
    Charge,
    Control,
    Criticality,
    Effect,
    Finding,
    History,
    Local,
    Outcome,
    Run,
    Ssh,
    TrendPoint,
    Visited,
)
from scanner.score import Policy, assess, score_asset

REASONS = (
    "unreachable", "auth-failed", "denied", "failed", "timed-out", "truncated", "throttled", "not-running",
    "unsupported", "unparsable", "check-bug", "absent", "no-baseline", "not-collected", "undetermined", "not-attested",
    "attestation-expired",
)  # fmt: skip
"""Why a finding can be unknown: model.Problem, and what evaluate.py adds."""

HOSTILE = (
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    '"><img src=http://127.0.0.1:9/x onerror="document.title=\'owned\'">',
    "' onmouseover='document.title=1' x='",
    "javascript:document.title=1",
    "[click](javascript:alert(1)) ![i](http://127.0.0.1:9/x)",
    "{{7*7}}{% for x in y %}${7*7}#{7*7}${jndi:ldap://127.0.0.1/x}",
    "</textarea></style></title><svg onload=document.title=1>",
    "\x1b[2J\x1b[31mred\x1b]8;;http://127.0.0.1:9/\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;AAAA\x07",
    "\x9b31mC1 \u202egnp.exe \u2066iso\u2069 \u200bzero \ufeffbom \u2028line",
    '=HYPERLINK("http://127.0.0.1:9/";"x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "nul \x00 lone \udcff surrogate, `tick` | pipe\r\nnext",
    "</details></section><h1>gone</h1>",
    "[click](http://evil) ![x](http://evil/x.png) <http://evil> | cell",
    "\ud800 \x00 \uffff",
    "&lt;b&gt; &amp; %3Cscript%3E",
)
"""Text that becomes more than text where a renderer is careless."""


def controls(authored: Callable[[str], str] = str) -> dict[tuple[str, str], Control]:
    """Four controls of four causes. authored: what becomes of each sentence of theirs."""
    total = Effect("total", "total", "total")
    references = {"cis": ("5.1.20",), "nist-800-53": ("AC-6(2)", "IA-2(5)")}
    made = [
        Control(
            "SSH-01", "Root cannot log in over SSH", "A stolen root password gives away the whole machine.",
            "Set `PermitRootLogin no`, then run `systemctl reload ssh`.", check="linux.sshd.setting", exploit=4,
            effect=total, root_cause="ssh.permit-root-login", effort="minutes", references=references,
        ),
        Control(
            "ACC-02", "Every account has a password", "An empty password opens the account to everybody.",
            "Lock the account: `passwd -l NAME`.", check="linux.accounts.empty", exploit=5, effect=total,
            root_cause="accounts.empty", references={"cis": ("7.2.2",)},
        ),
        Control("LOG-03", "Commands are logged", "Without a log nobody can say what happened.", "Start `auditd`.",
                check="linux.audit.running", vector="local", exploit=1, effort="hours"),
        Control("S3-04", "Buckets are not public", "Everybody could read what is kept there.", "Block public access.",
                check="aws.s3.public", exploit=5, effort="minutes"),
    ]  # fmt: skip
    spoken = [
        replace(one, title=authored(one.title), why=authored(one.why), fix=authored(one.fix)) for one in made
    ]  # fmt: skip
    return {("standard", one.id): one for one in spoken}


def run_of(
    text: Callable[[str], str] = str,
    reasons: tuple[str, ...] = REASONS,
    known: Mapping[tuple[str, str], Control] | None = None,
    authored: Callable[[str], str] = str,
) -> Run:
    """Four assets: one with every outcome and reason, an account, one not reached, one that no baseline is for.

    text: what becomes of every text that comes from an asset (names, values, messages); `str` leaves it.
    authored: the same for what the authors of baselines and inventory wrote (sentences of controls, owners).
    """
    known = known or controls(authored)

    def finding(asset: str, control: str, outcome: Outcome, subject: str = "", **of: str) -> Finding:
        return replace(Finding(asset, "standard", control, subject, outcome), **of)  # type: ignore[arg-type]

    web = Asset("web-1", access=Access(ssh=Ssh()), zone="internet", criticality=Criticality(3, 4, 4), service="webshop",
                owner=authored("Platform team"), tags={"role": text("shop")})  # fmt: skip
    account = Asset("cloud", access=Access(aws=Aws()), service="office", criticality=Criticality(4, 3, 3))
    gone = Asset("db-1", access=Access(local=Local()), service="webshop", owner="Data team")
    odd = Asset("odd-1", access=Access(local=Local()))
    found: list[tuple[Asset, list[Finding]]] = [
        (web, [
            finding("web-1", "SSH-01", Outcome.FAIL, observed=text("yes"), expected="equals: no", detail=text("said")),
            *(
                finding("web-1", "ACC-02", Outcome.FAIL, subject=text(name), observed=text("empty"))
                for name in ("anna", "bert")
            ),
            finding("web-1", "LOG-03", Outcome.PASS, observed=text("active"), expected="equals: active"),
            finding("web-1", "S3-04", Outcome.NOT_APPLICABLE, reason="no subjects"),
            *(
                finding("web-1", "LOG-03", Outcome.UNKNOWN, subject=f"part {number}", reason=reason, detail=text("why"))
                for number, reason in enumerate(reasons)
            ),
        ]),
        (account, [finding("cloud", "S3-04", Outcome.FAIL, subject=text("bucket-1"), observed=text("public"))]),
        (gone, [
            finding("db-1", name, Outcome.UNKNOWN, reason="unreachable", detail=text("no route"))
            for _, name in known
        ]),
        (odd, [Finding("odd-1", "", "no-baseline", "", Outcome.UNKNOWN, "no-baseline")]),
    ]  # fmt: skip
    return scored(found, known, {"db-1": {"local": text("unreachable: no route to host")}})


def scored(
    found: Sequence[tuple[Asset, Sequence[Finding]]],
    known: Mapping[tuple[str, str], Control],
    failures: Mapping[str, Mapping[str, str]] | None = None,
) -> Run:
    """The run that made these findings, by the default policy. failures: asset → way in → why it failed."""
    policy = Policy()
    visited = tuple(
        Visited(
            asset, ("standard",), tuple(findings), score_asset(asset, findings, known, policy),
            collected_at=_at(30), failures=(failures or {}).get(asset.id, {}), took_s=1.5,
            evidence_digest="ab" * 32,
        )
        for asset, findings in found
    )  # fmt: skip
    of = assess([(one.asset, one.findings) for one in visited], known, policy)
    return Run(
        "20260301T120000Z-0001", _at(0), _at(59), "1.0.0", "inventory.yaml", "cd" * 32, {"standard": "ef" * 32}, known,
        visited, of.services, of.organisation, of.risks, policy=asdict(policy), inherent=of.inherent,
    )  # fmt: skip


def run_of_one_host(findings: int) -> Run:
    """A host that fails every other one of so many controls, in words of the length that real controls have."""
    known = {
        ("standard", f"LNX-LOG-{number:03}"): Control(
            f"LNX-LOG-{number:03}",
            f"Changes of setting {number:03} by administrators are recorded in the log",
            "Whoever wants to hide a deed begins with the setting that would have shown it, "
            "and nobody can say what it was.",
            f"Write `-a always,exit -F arch=b64 -S call_{number:03} -F auid>=1000 -k changes` into "
            "/etc/audit/rules.d/60-changes.rules, remove other lines for it, then `augenrules --load`.",
            check="linux.audit.rule",
            references={
                "cis": (f"6.3.3.{number}",),
                "cac": (f"audit_rules_changes_of_setting_{number:03}",),
                "nist-800-53": ("AU-12c", "AU-2d"),
                "pci-dss": ("10.2.1.5",),
            },
        )
        for number in range(findings)
    }
    host = Asset("web-1", access=Access(ssh=Ssh()), service="webshop", owner="Platform team")
    found = [
        Finding(
            host.id, "standard", id, "", Outcome.PASS if number % 2 else Outcome.FAIL,
            observed="no rule of that call", expected="contains: -a always,exit -F arch=b64",
        )
        for number, (_, id) in enumerate(known)
    ]  # fmt: skip
    return scored([(host, found)], known)


def run_of_many(assets: int, each: int = 300) -> Run:
    """So many hosts, each held against so many controls; the nth fails each control whose number it divides."""
    known = {
        key: replace(control, exploit=3, root_cause=f"cause.{key[1]}")
        for key, control in run_of_one_host(each).controls.items()
    }
    found = []
    for number in range(1, assets + 1):
        host = Asset(f"host-{number:04}", access=Access(ssh=Ssh()), service=f"service {number % 7}")
        rows = [
            Finding(host.id, *key, "", Outcome.PASS if place % number else Outcome.FAIL, observed=f"value {number}")
            for place, key in enumerate(known)
        ]
        found.append((host, rows))
    return scored(found, known)


def remembered(run: Run, text: Callable[[str], str] = str) -> Run:
    """The run as a register adds to it: four runs before it, an acceptance in each state, who deals with each risk."""
    trend = [
        TrendPoint(f"20260{month}01T120000Z-0001", datetime(2026, month, 1, tzinfo=UTC), score, 30.0, coverage)
        for month, score, coverage in ((1, 71.0, 0.5), (2, 64.5, 0.95))
    ]
    total = run.organisation
    trend.append(TrendPoint(run.id, run.started_at, total.score, total.expected_loss, total.coverage))
    states: tuple[tuple[Literal["valid", "expiring", "expired", "unused"], int], ...] = (
        ("valid", 9), ("expiring", 3), ("expired", 2), ("unused", 8),
    )  # fmt: skip
    accepted = [
        AcceptedRisk(
            "web-1", "webshop", "standard", "ACC-02", text(state), text("Every account has a password"),
            "accounts.empty", text("Anna"), text("Bert"), text("Goes in May"), date(2026, month, 20), state,
        )
        for state, month in states
    ]  # fmt: skip
    charges = [
        Charge(risk.service, risk.root_cause, text("Anna") if number else "", date(2026, 2 + number, 27), 1 - number)
        for number, risk in enumerate(run.risks[:2])
    ]
    return replace(run, history=History(date(2026, 3, 1), tuple(trend), tuple(accepted), tuple(charges), "5a" * 32))


def borne(run: Run, state: Literal["valid", "expired"]) -> Run:
    """The run with the first of its failures accepted, in that state."""
    run = remembered(run)
    assert run.history is not None
    one = next(one for one in run.history.accepted if one.state == state)
    failed = next(f for f in run.findings if f.outcome is Outcome.FAIL)
    same = replace(one, asset=failed.asset, control=failed.control, subject=failed.subject)
    return replace(run, history=replace(run.history, accepted=(same,)))


def hostile_runs() -> list[Run]:
    """One run for each hostile text, with that text in every field that an asset, or a person, can fill."""
    return [remembered(run_of(payload.__add__), payload.__add__) for payload in HOSTILE]


def _at(second: int) -> datetime:
    return datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC)
