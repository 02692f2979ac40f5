"""The generated IAM policy, enforced: nothing is denied; without one action exactly its controls turn unknown.

moto decides by IAM policies once it is told to. It gives some actions another name than IAM does: `as_moto`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Aws, Finding, Inventory, Outcome, Probe
from scanner.plan import Plan, make_plan
from scanner.transports import Bounds
from scanner.transports.aws_permissions import permissions
from scanner.transports.aws_policies import iam_policy
from tests.live.moto_seed import seed
from tests.live.moto_server import Server, moto_server

pytestmark = pytest.mark.live
SOME = tuple(f"id={name}-*" for name in ("RDS", "S3", "KMS", "IAM", "ELB", "LAM", "LOG", "VPC"))
HARMLESS = {"unsupported", "not-attested"}
OF_BUCKETS = ("GetEncryptionConfiguration", "GetBucketOwnershipControls", "GetBucketPublicAccessBlock")
NAMES = {
    **{f"s3:{name}": "s3:ListBucket" for name in OF_BUCKETS},
    "s3:GetAccountPublicAccessBlock": "s3:GetPublicAccessBlock",
    "apigateway:GET": "apigateway:Get*",
    "tag:GetResources": "tagging:GetResources",
}


def as_moto(action: str) -> str:
    """IAM's name of an action -> that which moto demands: it signs CloudWatch's calls by that service's old name."""
    return NAMES.get(action, action.replace("cloudwatch:", "monitoring:"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with moto_server(seed) as found:
        yield found


@pytest.fixture(scope="module")
def key(server: Server) -> dict[str, str]:
    """A key of a user who may do what its policy says and nothing else."""
    server.client("iam").create_user(UserName="riskline")
    made: dict[str, str] = server.client("iam").create_access_key(UserName="riskline")["AccessKey"]
    return made


@pytest.fixture
def user(key: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That user's key by reference, and nothing of the tester's own account."""
    monkeypatch.setenv("RISKLINE_TEST_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("RISKLINE_TEST_KEY", key["SecretAccessKey"])
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def plan_of(server: Server, select: tuple[str, ...] = ()) -> Plan:
    keys: dict[str, Any] = {"access_key_id": "env:RISKLINE_TEST_KEY_ID", "secret_access_key": "env:RISKLINE_TEST_KEY"}
    way = Aws(endpoint=server.url, regions=("us-east-1",), **keys)
    return make_plan(Inventory("i", (Asset("cloud", access=Access(aws=way)),)), Catalogue(), ["aws"], select)


def probes_of(plan: Plan) -> list[Probe]:
    return list(plan.assets[0].visits["aws"])


@contextmanager
def enforced() -> Iterator[None]:
    """Inside, moto decides by policies. Its own arithmetic of signatures is wrong for most GET requests: left out."""
    from moto.core.authorization import enable_iam_authentication
    from moto.iam.access_control import IAMRequestBase

    with pytest.MonkeyPatch.context() as patch, enable_iam_authentication():
        patch.setattr(IAMRequestBase, "check_signature", lambda _: None)
        yield


def scan_allowed(server: Server, plan: Plan, document: dict[str, Any]) -> list[Finding]:
    """What a user with this policy finds."""
    said = [{**one, "Action": sorted({as_moto(name) for name in one["Action"]})} for one in document["Statement"]]
    here = {**document, "Statement": said}
    server.client("iam").put_user_policy(UserName="riskline", PolicyName="reads", PolicyDocument=json.dumps(here))
    with enforced():
        (collected,) = collect(plan.assets, Bounds())
    assert not collected.bug
    return Judge().findings(collected.planned, collected.evidence)


@pytest.mark.usefixtures("user")
def test_under_the_generated_policy_nothing_is_denied(server: Server) -> None:
    plan = plan_of(server)
    findings = scan_allowed(server, plan, iam_policy(probes_of(plan)))
    unknown = {f.control for f in findings if f.reason not in HARMLESS and f.outcome is Outcome.UNKNOWN}
    assert unknown <= {"EC2-10"}  # of a stopped machine, this moto does not say since when
    assert sum(f.outcome in {Outcome.PASS, Outcome.FAIL} for f in findings) > 100


@pytest.mark.usefixtures("user")
def test_a_user_without_any_right_passes_and_fails_nothing(server: Server) -> None:
    plan = plan_of(server, SOME)
    document = iam_policy(probes_of(plan))
    document["Statement"][0]["Action"] = ["s3:GetObject"]
    assert {f.outcome for f in scan_allowed(server, plan, document)} == {Outcome.UNKNOWN}


def needs(probe: Probe, action: str) -> bool:
    """Whether a question, or one that it is asked about, needs the action."""
    return action in permissions([probe]) or (probe.each is not None and needs(probe.each, action))


def controls_that_need(plan: Plan, action: str) -> set[str]:
    keys = {probe.key for probe in probes_of(plan) if needs(probe, action)}
    (planned,) = plan.assets
    return {
        one.control.id
        for baseline in planned.baselines
        for one in baseline.controls
        if any(keys & set(term.keys) for term in one.terms)
    }


@pytest.mark.parametrize(
    "action",
    [
        *("rds:DescribeDBInstances", "s3:GetBucketPolicy", "s3:ListAllMyBuckets"),
        *("elasticloadbalancing:DescribeLoadBalancers", "lambda:ListFunctions", "iam:GetCredentialReport"),
        "cloudtrail:DescribeTrails",
    ],
)
@pytest.mark.usefixtures("user")
def test_without_one_action_exactly_its_controls_turn_unknown(server: Server, action: str) -> None:
    plan = plan_of(server, SOME)
    document = iam_policy(probes_of(plan))
    document["Statement"][0]["Action"].remove(action)
    findings = scan_allowed(server, plan, document)
    denied = {f.control for f in findings if f.reason == "denied"}
    assert denied == controls_that_need(plan, action) != set()
    assert all(action in f.detail for f in findings if f.reason == "denied")
    assert not [f for f in findings if f.control in denied and f.outcome is Outcome.PASS and f.subject == ""]
