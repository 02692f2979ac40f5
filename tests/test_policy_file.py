"""The risk policy as a file: its defaults, its mistakes with their lines, its schema and its example."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from scanner.errors import UsageError
from scanner.gate import GatePolicy, Limits
from scanner.policy_file import policy_schema, read_as, read_policy
from scanner.score import Policy, word

ROOT = Path(__file__).parent.parent


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


def test_what_is_written_replaces_the_default_and_nothing_else(tmp_path: Path) -> None:
    policy = read_policy(
        written(
            tmp_path, "unit: EUR\nattempts: 2\nzones: {internal: 0.2}\neffort_days: {ssh.permit-root-login: 0.25}\n"
        )
    )
    assert (policy.unit, policy.attempts, policy.zones.internal, policy.in_money) == ("EUR", 2, 0.2, True)
    assert policy.effort_days == {"ssh.permit-root-login": 0.25}
    assert (policy.zones.internet, policy.losses, policy.due_days) == (1, Policy().losses, Policy().due_days)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "attempts: 3\nzones:\n  internet: 2\n",
            r"policy.yaml:3: policy: `zones.internet` must be a number from 0 to 1",
        ),
        ("attempts: 0\n", r"policy.yaml:1: policy: `attempts` must be a number above 0"),
        ("attempts: many\n", r"policy.yaml:1: the policy: attempts: .*number.*'many'"),
        ("attempts: true\n", r"policy.yaml:1: "),
        (
            "tolerance: {asset: 3}\n",
            r"policy.yaml:1: the policy: there is no key 'tolerance'; did you mean 'tolerances'",
        ),
        ("\nlosses:\n  slight: 1\n  minor: 1\n", r"policy.yaml:2: policy: losses must increase"),
        ("due_days: {low: -1}\n", r"policy.yaml:1: policy: `due_days.low` must be"),
        ("longest_acceptance_days: 0\n", r"policy.yaml:1: policy: `longest_acceptance_days` must be"),
        ("a: 1\neffort_days:\n  a.b: 1\n  a.c: -2\n", r"policy.yaml:1: the policy: there is no key 'a'"),
        ("effort_days:\n  a.b: 1\n  a.c: -2\n", r"policy.yaml:3: policy: `effort_days.a.c` must be"),
        ('unit: ""\n', r"policy.yaml:1: policy: `unit` must be a short word"),
        ("attempts: 3\nversion: 2\n", r"policy.yaml:2: the policy: version 2 is not known"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read_policy(written(tmp_path, text))


def test_every_level_in_words_has_a_due_date() -> None:
    due = [Policy().due_within(word(score)) for score in (0, 10, 25, 50, 75)]
    assert due == [365, 180, 90, 30, 7]


def test_the_example_is_the_defaults() -> None:
    assert asdict(read_policy(ROOT / "policy.example.yaml")) == asdict(Policy())


def test_the_published_schema_is_current_and_takes_the_example() -> None:
    published: dict[str, Any] = json.loads((ROOT / "docs/schema/policy.schema.json").read_text())
    assert published == json.loads(json.dumps(policy_schema())), (
        "run: riskline schema policy > docs/schema/policy.schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(yaml.safe_load((ROOT / "policy.example.yaml").read_text()), published)


def test_the_schema_refuses_what_the_reader_refuses_by_kind() -> None:
    mistakes: list[dict[str, Any]] = [{"attempts": "many"}, {"tolerance": {}}, {"zones": {"moon": 1}}]
    for wrong in mistakes:
        assert not jsonschema.Draft202012Validator(policy_schema()).is_valid(wrong)


def test_a_gate_policy_is_read_the_same_way(tmp_path: Path) -> None:
    found = read_as(GatePolicy, written(tmp_path, "version: 1\nblock: {new_loss: 2}\n"), "the gate policy")
    assert found == GatePolicy(block=Limits(new_loss=2))
    with pytest.raises(UsageError, match=r"policy.yaml:1: the gate policy: there is no key 'blok'"):
        read_as(GatePolicy, written(tmp_path, "blok: {}\n"), "the gate policy")
