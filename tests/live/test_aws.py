"""The AWS transport and baseline against an account on loopback: what is asked, how often, what a refusal changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import Collected, collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Aws, Finding, Inventory, Outcome, Probe
from scanner.plan import Plan, make_plan
from scanner.transports import Bounds, aws_session
from tests.aws_coverage import BY_CASES
from tests.live.cuts import cut, lacking
from tests.live.moto_seed import GOOD_BUCKET, LIST_BUCKET, PUBLIC_BUCKET, TRAIL_BUCKET, seed
from tests.live.moto_server import ACCOUNT, Call, Server, moto_server
from tests.live.moto_stores import LOCKED_BUCKET

pytestmark = pytest.mark.live
KEYS: dict[str, Any] = {"access_key_id": "env:RISKLINE_TEST_KEY_ID", "secret_access_key": "env:RISKLINE_TEST_KEY"}
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with moto_server(seed) as found:
        yield found


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys by reference, and nothing of the tester's own account."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("RISKLINE_TEST_KEY_ID", "testing")
    monkeypatch.setenv("RISKLINE_TEST_KEY", "testing")


def access(server: Server) -> Aws:
    return Aws(endpoint=server.url, regions=REGIONS, **KEYS)


def plan_of(way: Aws, select: tuple[str, ...] = ()) -> Plan:
    inventory = Inventory("inventory.yaml", (Asset("cloud", access=Access(aws=way)),))
    return make_plan(inventory, Catalogue(), ["aws"], select)


def scan(way: Aws, bounds: Bounds | None = None, select: tuple[str, ...] = ()) -> tuple[Collected, list[Finding]]:
    (collected,) = collect(plan_of(way, select).assets, bounds or Bounds())
    assert not collected.bug
    return collected, Judge().findings(collected.planned, collected.evidence)


def outcomes(findings: list[Finding], control: str) -> dict[str, str]:
    return {finding.subject: finding.outcome.value for finding in findings if finding.control == control}


def judged(findings: list[Finding]) -> set[tuple[str, str, str]]:
    """Everything that was passed or failed."""
    clear = {Outcome.PASS, Outcome.FAIL}
    return {(f.control, f.subject, f.outcome.value) for f in findings if f.outcome in clear}


@pytest.fixture(scope="module")
def visited(server: Server) -> tuple[Collected, list[Finding]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RISKLINE_TEST_KEY_ID", "testing")
        patch.setenv("RISKLINE_TEST_KEY", "testing")
        return scan(access(server))


@pytest.fixture(scope="module")
def healthy(visited: tuple[Collected, list[Finding]]) -> list[Finding]:
    return visited[1]


def test_each_call_is_put_once_per_account_and_region(server: Server) -> None:
    server.calls.clear()
    scan(access(server))
    said = Counter((call, body) for call, body in server.calls if call.operation != "GenerateCredentialReport")
    assert len(said) > 100
    assert [entry for entry, number in said.items() if number > 1] == []
    assert {call.region for call, _ in said} == set(REGIONS)


def test_nothing_that_is_sent_could_change_the_account(server: Server) -> None:
    server.calls.clear()
    scan(access(server))
    reading = (
        "GET ",
        "Get",
        "List",
        "Describe",
        "BatchGet",
        "GenerateCredentialReport",
        "POST /getAlternateContact?",
        "POST /getContactInformation?",
    )
    assert server.calls
    assert [call for call, _ in server.calls if not call.operation.startswith(reading)] == []


def test_buckets_are_judged_by_what_is_really_in_force(healthy: list[Finding]) -> None:
    arn = "arn:aws:s3:::{}".format
    judged_buckets = {
        arn(GOOD_BUCKET): "pass", arn(TRAIL_BUCKET): "pass", arn(PUBLIC_BUCKET): "fail", arn(LIST_BUCKET): "fail",
    }  # fmt: skip
    assert outcomes(healthy, "S3-01") == {**judged_buckets, arn(LOCKED_BUCKET): "pass"}
    assert outcomes(healthy, "S3-04") == {**judged_buckets, arn(LOCKED_BUCKET): "fail"}


def test_people_are_judged_one_by_one(healthy: list[Finding]) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{{}}".format
    assert outcomes(healthy, "IAM-06") == {arn("ada"): "pass", arn("bob"): "fail"}
    assert outcomes(healthy, "IAM-10") == {arn("ada"): "pass", arn("bob"): "fail"}
    assert outcomes(healthy, "IAM-11") == {
        f"arn:aws:iam::{ACCOUNT}:policy/everything": "fail", f"arn:aws:iam::{ACCOUNT}:policy/reading": "pass",
    }  # fmt: skip


def test_settings_of_a_region_are_judged_region_by_region(healthy: list[Finding]) -> None:
    assert outcomes(healthy, "EBS-01") == {"us-east-1": "pass", "eu-west-1": "fail", "ap-southeast-2": "fail"}
    assert outcomes(healthy, "LOG-08")["us-east-1"] == "pass"


def test_open_groups_are_found_by_meaning(healthy: list[Finding]) -> None:
    failing = [subject for subject, outcome in outcomes(healthy, "VPC-01").items() if outcome == "fail"]
    assert len(failing) == 5  # a range over port 22 by IPv6, and everything by IPv4, in two regions; one by a list
    assert sum(outcome == "fail" for outcome in outcomes(healthy, "VPC-04").values()) == 2


def test_a_machine_of_which_nobody_says_since_when_it_is_stopped_is_unknown(healthy: list[Finding]) -> None:
    assert set(outcomes(healthy, "EC2-10").values()) == {"unknown"}  # this moto never says


def test_nothing_is_unknown_but_what_the_account_does_not_offer(healthy: list[Finding]) -> None:
    unknown = [f for f in healthy if f.outcome is Outcome.UNKNOWN and f.control != "EC2-10"]
    assert {f.reason for f in unknown} == {"unsupported", "not-attested"}
    assert all(f.reason == "not-attested" or "does not offer this" in f.detail for f in unknown)
    assert len({f.control for f in healthy}) >= 290 > 10 * len({f.control for f in unknown})


def test_alarms_are_followed_from_the_log_to_who_hears_them(healthy: list[Finding]) -> None:
    assert outcomes(healthy, "ALM-05") == {"": "pass"}
    assert outcomes(healthy, "ALM-13") == {"": "fail"}  # counted, and nobody is told


def test_what_runs_is_judged_one_by_one(healthy: list[Finding]) -> None:
    services = f"arn:aws:ecs:us-east-1:{ACCOUNT}:service/shop/{{}}".format
    tables = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{{}}".format
    here = {name: outcome for name, outcome in outcomes(healthy, "ECS-10").items() if ":service/shop/" in name}
    assert here == {services("inner"): "pass", services("open"): "fail"}
    assert outcomes(healthy, "DYN-10") == {tables("growing"): "pass", tables("fixed"): "fail"}


def test_a_route_into_all_of_a_joined_network_is_too_wide(healthy: list[Finding]) -> None:
    assert sorted(outcomes(healthy, "VPC-20").values()) == ["fail", "pass"]


def test_what_is_asked_once_for_several_things_is_said_of_each(healthy: list[Finding]) -> None:
    clusters = f"arn:aws:redshift:us-east-1:{ACCOUNT}:cluster:{{}}".format  # of one group of parameters
    assert set(outcomes(healthy, "RED-02")) == {clusters("good"), clusters("bad")}


def test_things_of_one_name_in_two_regions_are_both_judged(healthy: list[Finding]) -> None:
    queues = {name.split(":")[3]: said for name, said in outcomes(healthy, "SQS-01").items() if name.endswith(":good")}
    assert queues == {"us-east-1": "pass", "eu-west-1": "fail"}


def test_queues_are_asked_for_by_pages_for_without_only_a_thousand_are_told(server: Server) -> None:
    server.calls.clear()
    scan(access(server), select=("id=SQS-01",))
    asked = [body for call, body in server.calls if call.operation == "ListQueues"]
    assert len(asked) == 3 and all('"MaxResults": 1000' in body for body in asked)


def test_another_account_that_could_open_a_bucket_is_found(healthy: list[Finding]) -> None:
    failing = [subject for subject, outcome in outcomes(healthy, "S3-11").items() if outcome == "fail"]
    assert failing == [f"arn:aws:s3:::{LIST_BUCKET}"]


def test_every_control_passes_something_and_fails_something_here_but_those_that_are_named(
    visited: tuple[Collected, list[Finding]],
) -> None:
    collected, findings = visited
    every = {one.control.id for baseline in collected.planned.baselines for one in baseline.controls
             if not one.control.manual}  # fmt: skip
    clear = judged(findings)
    both = {
        control for control in every if {outcome for name, _, outcome in clear if name == control} == {"pass", "fail"}
    }
    assert every - both == {control for group in BY_CASES.values() for control in group}


def asks(probe: Probe, operation: str) -> bool:
    return operation == probe.ask[2] or (probe.each is not None and asks(probe.each, operation))


def controls_that_need(plan: Plan, operation: str) -> set[str]:
    (planned,) = plan.assets
    keys = {probe.key for probe in planned.visits["aws"] if asks(probe, operation)}
    return {
        one.control.id
        for baseline in planned.baselines
        for one in baseline.controls
        if any(keys & set(term.keys) for term in one.terms)
    }


def named(operation: str) -> Callable[[Call], bool]:
    return lambda call: call.operation == operation


def inside(query: str) -> Callable[[Call], bool]:
    return lambda call: call.service == "s3" and call.operation.endswith(f"?{query}")


REFUSED = {
    "describe_volumes": (named("DescribeVolumes"), "ec2:DescribeVolumes"),
    "describe_security_groups": (named("DescribeSecurityGroups"), "ec2:DescribeSecurityGroups"),
    "get_account_authorization_details": (
        named("GetAccountAuthorizationDetails"),
        "iam:GetAccountAuthorizationDetails",
    ),
    "get_credential_report": (named("GenerateCredentialReport"), "iam:GenerateCredentialReport"),
    "get_account_password_policy": (named("GetAccountPasswordPolicy"), "iam:GetAccountPasswordPolicy"),
    "describe_trails": (named("DescribeTrails"), "cloudtrail:DescribeTrails"),
    "list_keys": (named("ListKeys"), "kms:ListKeys"),
    "get_bucket_policy": (inside("policy"), "s3:GetBucketPolicy"),
    "get_bucket_encryption": (inside("encryption"), "s3:GetEncryptionConfiguration"),
    "get_bucket_acl": (inside("acl"), "s3:GetBucketAcl"),
}
"""Operation -> its calls, and the action that allows it."""
APART = (tuple(name for name in REFUSED if not name.endswith(("policy", "acl")) or "password" in name),
         ("get_bucket_policy",), ("get_bucket_acl",))  # fmt: skip
"""Operations that share no control are refused in one visit: what each of them costs can still be told apart."""


@pytest.mark.parametrize("operations", APART)
@pytest.mark.fault("N16")
def test_a_denied_action_turns_exactly_its_own_controls_unknown(
    server: Server, healthy: list[Finding], operations: tuple[str, ...]
) -> None:
    plan = plan_of(access(server))
    theirs = {name: controls_that_need(plan, name) for name in operations}
    assert sum(map(len, theirs.values())) == len(set().union(*theirs.values())) > 0
    with ExitStack() as refusing:
        for name in operations:
            refusing.enter_context(server.refuse(REFUSED[name][0], "denied"))
        _, findings = scan(access(server))
    denied = [f for f in findings if f.reason == "denied"]
    for name in operations:
        assert {f.control for f in denied if f"allow {REFUSED[name][1]}" in f.detail} == theirs[name] != set()
    assert {f.control for f in denied} == set().union(*theirs.values())
    assert judged(findings) == {entry for entry in judged(healthy) if entry[0] not in {f.control for f in denied}}


def test_a_region_that_is_denied_leaves_the_others_judged(server: Server, healthy: list[Finding]) -> None:
    with server.refuse(
        lambda call: call.operation == "GetEbsEncryptionByDefault" and call.region == "eu-west-1", "denied"
    ):
        _, findings = scan(access(server), select=("id=EBS-01",))
    assert outcomes(findings, "EBS-01") == {"us-east-1": "pass", "eu-west-1": "unknown", "ap-southeast-2": "fail"}


def test_a_bucket_that_is_denied_leaves_the_others_judged(server: Server) -> None:
    with server.refuse(lambda call: call.operation == f"GET /{PUBLIC_BUCKET}?policy", "denied"):
        _, findings = scan(access(server), select=("id=S3-0[14]",))
    for control in ("S3-01", "S3-04"):
        by_bucket = outcomes(findings, control)
        assert by_bucket.pop(f"arn:aws:s3:::{PUBLIC_BUCKET}") == "unknown"
        assert len(by_bucket) == 4 and "unknown" not in by_bucket.values()


def test_a_trail_that_cannot_be_read_is_never_a_missing_trail(server: Server) -> None:
    with server.refuse(named("GetTrailStatus"), "denied"):
        _, findings = scan(access(server), select=("id=LOG-01",))
    assert outcomes(findings, "LOG-01") == {"": "unknown"}


@pytest.mark.fault("N16")
def test_throttling_that_does_not_end_is_unknown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_session, "ATTEMPTS", 2)
    with server.refuse(named("DescribeDBInstances"), "throttled"):
        _, findings = scan(access(server), select=("id=RDS-0[1-6]",))
    assert {f.reason for f in findings} == {"throttled"}


def test_throttling_that_ends_loses_nothing(server: Server) -> None:
    left = iter([True, True])
    with server.refuse(lambda call: call.operation == "DescribeDBInstances" and next(left, False), "throttled"):
        _, findings = scan(access(server), select=("id=RDS-01",))
    assert set(outcomes(findings, "RDS-01").values()) == {"fail", "pass"}


@pytest.mark.fault("N16")
def test_credentials_that_expire_on_the_way_keep_what_was_answered(server: Server) -> None:
    with server.refuse(lambda call: call.operation == "GetKeyRotationStatus", "expired"):
        collected, findings = scan(access(server), select=("id=KMS-01", "id=EBS-01"))
    assert "expired" in collected.evidence.failures["aws"]
    assert set(outcomes(findings, "EBS-01").values()) == {"pass", "fail"}
    assert {f.reason for f in findings if f.control == "KMS-01"} == {"auth-failed"}


def test_regions_come_from_the_account_where_the_inventory_names_none(server: Server) -> None:
    _, findings = scan(replace(access(server), regions=()), select=("id=EBS-01",))
    assert len(outcomes(findings, "EBS-01")) > 10


@pytest.mark.fault("N16")
def test_a_region_that_is_not_enabled_is_said(server: Server) -> None:
    _, findings = scan(replace(access(server), regions=("us-east-1", "mars-north-1")), select=("id=EBS-01",))
    assert outcomes(findings, "EBS-01") == {"us-east-1": "pass", "mars-north-1": "unknown"}


@pytest.mark.fault("N16")
def test_the_cap_on_bytes_ends_in_unknown_and_never_in_a_pass(server: Server, healthy: list[Finding]) -> None:
    _, findings = scan(access(server), Bounds(max_bytes=40_000))
    assert judged(findings) < judged(healthy)
    assert "truncated" in {f.reason for f in findings}


def test_what_one_answer_lacks_never_changes_a_verdict(visited: tuple[Collected, list[Finding]]) -> None:
    collected, findings = visited
    judge, before, lost = Judge(), judged(findings), 0
    for evidence in lacking(collected.evidence, collected.planned.visits["aws"], REGIONS):
        after = judged(judge.findings(collected.planned, evidence))
        assert after <= before
        lost += after < before
    assert lost > 100


@pytest.mark.parametrize("batch", range(8))
def test_wherever_a_visit_is_cut_no_verdict_is_another_one(
    visited: tuple[Collected, list[Finding]], batch: int
) -> None:
    collected, findings = visited
    judge, before, fewer = Judge(), judged(findings), 0
    probes = collected.planned.visits["aws"]
    for number in range(batch * 25, batch * 25 + 25):
        after = judged(judge.findings(collected.planned, cut(collected.evidence, probes, REGIONS, number)))
        assert after - before == set(), f"cut {number}"
        fewer += after < before
    assert fewer >= 20


@pytest.mark.parametrize("max_bytes", [20_000, 90_000, 160_000, 230_000])
def test_the_bytes_run_out_anywhere_and_nothing_is_judged_otherwise(
    server: Server, healthy: list[Finding], max_bytes: int
) -> None:
    _, findings = scan(access(server), Bounds(max_bytes=max_bytes))
    assert judged(findings) - judged(healthy) == set()


@pytest.mark.fault("P8")
def test_the_deadline_ends_in_unknown_and_never_in_a_pass(server: Server, healthy: list[Finding]) -> None:
    _, findings = scan(access(server), Bounds(deadline_s=1.0))
    assert judged(findings) <= judged(healthy)
    assert {f.reason for f in findings if f.outcome is Outcome.UNKNOWN} & {"timed-out", "unreachable"}
