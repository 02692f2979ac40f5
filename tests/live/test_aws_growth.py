"""What an account costs as it grows: requests by the thing, and memory that stays bounded for fifty thousand."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import collect, make_evidence
from scanner.evaluate import MAX_SUBJECTS, Judge
from scanner.model import Access, Asset, Aws, Inventory, Outcome, Reply
from scanner.plan import PlannedAsset, make_plan
from scanner.transports import Bounds, aws_call
from tests.live.many_disks import many_disks
from tests.live.moto_server import Server, moto_server

MANY = 50_000
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def planned(url: str, select: str) -> PlannedAsset:
    key = "env:RISKLINE_KEY"
    way = Aws(endpoint=url, regions=("us-east-1",), access_key_id=key, secret_access_key=key)
    inventory = Inventory("i", (Asset("cloud", access=Access(aws=way)),))
    return make_plan(inventory, Catalogue(), ["aws"], [select]).assets[0]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKLINE_KEY", "testing")


def asked(server: Server, select: str) -> int:
    """How many requests a visit makes; those that a busy server was asked once more do not count."""
    server.calls.clear()
    (found,) = collect([planned(server.url, select)], Bounds())
    assert not found.bug
    return sum(call.attempt == 1 for call, _ in server.calls)


def more(server: Server, begin: int, end: int) -> None:
    for number in range(begin, end):
        server.client("s3").create_bucket(Bucket=f"bucket-{number:03}")
        server.client("iam").create_role(RoleName=f"role-{number:03}", AssumeRolePolicyDocument=TRUST)


@pytest.mark.live
def test_requests_grow_with_buckets_by_the_same_number_each_and_with_roles_not_at_all() -> None:
    with moto_server(lambda server: more(server, 0, 5)) as server:
        asked(server, "id=IAM-*")  # the first of all visits asks twice for the report on users, which is being made
        buckets, roles = [asked(server, "id=S3-*")], [asked(server, "id=IAM-*")]
        for begin, end in ((5, 20), (20, 60)):
            more(server, begin, end)
            buckets.append(asked(server, "id=S3-*"))
            roles.append(asked(server, "id=IAM-*"))
    few, some = (buckets[1] - buckets[0]) / 15, (buckets[2] - buckets[1]) / 40
    assert few == some <= 12
    assert len(set(roles)) == 1


def disks(number: int) -> Iterator[str]:
    """Rows as AWS tells of disks, one of them not encrypted."""
    for n in range(number):
        name = f"vol-{n:017x}"
        item = {"VolumeId": name, "Encrypted": n != 7, "Size": 8, "State": "in-use", "AvailabilityZone": "us-east-1a",
                "VolumeType": "gp3", "Iops": 3000, "Throughput": 125, "MultiAttachEnabled": False,
                "Attachments": [{"Device": "/dev/xvda", "InstanceId": f"i-{n:017x}", "State": "attached"}],
                "Tags": [{"Key": "env", "Value": "prod"}]}  # fmt: skip
        about = {"account": "123456789012", "region": "us-east-1", "of": "", "item": item}
        yield json.dumps({"subject": f"arn:aws:ec2:us-east-1:123456789012:volume/{name}", **about})


@pytest.mark.fault("N16")
def test_fifty_thousand_things_are_judged_within_bounded_memory_and_the_bad_one_is_found() -> None:
    asset = planned("http://127.0.0.1:1", "id=EBS-02")
    probe, _tags = asset.visits["aws"]
    reply = Reply("[" + ",".join(disks(MANY)) + "]")
    evidence = make_evidence("cloud", {probe.key: reply}, {})
    tracemalloc.start()
    try:
        findings = Judge().findings(asset, evidence)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * len(reply.text)
    assert [f.subject[-2:] for f in findings if f.outcome is Outcome.FAIL] == ["07"]
    assert len(findings) == MAX_SUBJECTS + 1  # what is left out is said, and never as a pass
    assert (findings[-1].outcome, findings[-1].reason) == (Outcome.UNKNOWN, "truncated")


def held(number: int) -> tuple[int, int]:
    """The peak of memory of one visit to so many disks, and how many bytes it was sent."""
    with many_disks(number) as disks:
        asset = planned(disks.url, "id=EBS-02")
        tracemalloc.start()
        try:
            (found,) = collect([asset], Bounds())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        failing = [one.subject[-3:] for one in Judge().findings(asset, found.evidence) if one.outcome is Outcome.FAIL]
    assert failing == ["007"] and disks.pages == number / aws_call.PAGE and disks.largest < 1_000 * aws_call.PAGE
    return peak, disks.sent


@pytest.mark.live
def test_a_visit_takes_one_page_at_a_time_and_keeps_its_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_call, "PAGE", 200)
    held(200)  # what is loaded once
    few, some = held(400), held(1600)
    assert (some[0] - few[0]) / (some[1] - few[1]) < 5
