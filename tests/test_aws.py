"""AWS without a server: the rights that are asked for, the calls that are allowed, and how errors are read."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jmespath
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from click.testing import CliRunner

from scanner import Unparsable, api, parse, sh
from scanner.catalogue import Catalogue
from scanner.cli import riskline
from scanner.errors import AuthFailed, UsageError
from scanner.model import Access, Asset, Aws, Inventory, Probe
from scanner.plan import make_plan
from scanner.transports import aws_call
from scanner.transports.aws_errors import judge
from scanner.transports.aws_permissions import action_of, allowed, permissions
from scanner.transports.aws_policies import LISTING, MANAGED_MAX, WITHHELD, entry_policy, iam_policy, remarks, withheld


def planned() -> list[Probe]:
    inventory = Inventory("inventory.yaml", (Asset("cloud", access=Access(aws=Aws())),))
    (asset,) = make_plan(inventory, Catalogue(), ["aws"]).assets
    return list(asset.visits["aws"])


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "X")  # type: ignore[typeddict-item]


def test_the_policy_of_the_baseline_allows_reading_and_nothing_else() -> None:
    document = iam_policy(planned())
    statement, _ = document["Statement"]
    assert (document["Version"], statement["Effect"], statement["Resource"]) == ("2012-10-17", "Allow", "*")
    names = [action.partition(":")[2] for action in statement["Action"]]
    assert len(names) > 35 and not any("*" in name for name in names)
    reading = ("Get", "List", "Describe", "BatchGet")
    others = {name for name in names if not name.startswith(reading)}
    assert others == {"GenerateCredentialReport", "GET"}  # API Gateway names its actions after HTTP


def test_contents_and_secrets_are_denied_whatever_else_is_attached() -> None:
    document = iam_policy(planned())
    _, statement = document["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Deny", "*")
    assert statement["Action"] == list(WITHHELD)  # no control of ours needs any of them
    assert remarks(document) == []
    assert len(json.dumps(document, separators=(",", ":"))) <= MANAGED_MAX


def test_each_pattern_of_the_deny_stands_for_the_actions_beside_it() -> None:
    assert [one for pattern, members in WITHHELD.items() for one in members if not fnmatchcase(one, pattern)] == []
    assert [pattern for pattern, members in WITHHELD.items() if ("*" in pattern) != bool(members)] == []


def test_what_a_control_needs_is_said_and_not_denied_and_what_is_beside_it_stays_denied() -> None:
    probe = api("ssm", "describe_parameters", permission="ssm:GetParameters lambda:GetFunction")
    denied, kept = withheld(permissions([probe]))
    assert kept == ["lambda:GetFunction", "ssm:GetParameters"]
    assert "ssm:GetParameter" in denied and "ssm:GetParametersByPath" in denied
    assert not {"ssm:GetParameters", "ssm:GetParameter*", "lambda:GetFunction"} & set(denied)
    said = remarks(iam_policy([probe]))
    assert said == [f"{action} is not denied: a selected control needs it" for action in kept]


def test_who_finds_the_accounts_of_an_organization_may_list_and_enter_them() -> None:
    ways = [Aws(organization=True, role="audit"), Aws(role="arn:aws:iam::111122223333:role/other")]
    document = entry_policy(ways, planned())
    reads, never, inside, named = document["Statement"]
    assert {"organizations:ListAccounts", "organizations:ListTagsForResource", "s3:ListAllMyBuckets"} <= {
        *reads["Action"]
    }
    assert never["Effect"] == "Deny"
    assert (inside["Action"], inside["Resource"]) == ("sts:AssumeRole", ["arn:aws:iam::*:role/audit"])
    assert inside["Condition"] == {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}
    assert (named["Resource"], "Condition" in named) == (["arn:aws:iam::111122223333:role/other"], False)


def test_who_only_enters_roles_may_read_nothing_itself() -> None:
    document = entry_policy([Aws(role="arn:aws:iam::111122223333:role/audit")], [])
    assert [one["Action"] for one in document["Statement"]] == ["sts:AssumeRole"]


INVENTORY = """
assets:
  company: {access: {aws: {organization: true, role: audit}}}
  partner: {access: {aws: {role: "arn:aws:iam::111122223333:role/other"}}}
"""


def document_of(tmp_path: Path, *words: str) -> tuple[list[dict[str, Any]], str]:
    """What `riskline permissions` prints: the statements, and what it remarks beside them."""
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    asked = ["permissions", "-i", str(tmp_path / "inventory.yaml"), "-b", "aws", *words]
    done = CliRunner().invoke(riskline, asked)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["Statement"], done.stderr


def test_who_signs_in_and_the_role_that_is_entered_get_a_policy_each(tmp_path: Path) -> None:
    first, said = document_of(tmp_path, "-f", "iam-policy", "--select", "id=S3-01")
    assert [one["Sid"] for one in first[2:]] == ["RisklineEntersMembers", "RisklineEntersRoles"]
    assert "--format iam-role-policy" in said
    role, said = document_of(tmp_path, "-f", "iam-role-policy", "--select", "id=S3-01")
    assert [one["Sid"] for one in role] == ["RisklineReads", "RisklineNeverReads"]
    assert {*first[0]["Action"]} - {*role[0]["Action"]} == {*LISTING}
    assert said == ""


def test_without_any_role_there_is_no_policy_of_one(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("assets: {cloud: {access: {aws: {}}}}")
    done = CliRunner().invoke(riskline, ["permissions", "-i", str(tmp_path / "own.yaml"), "-f", "iam-role-policy"])
    assert isinstance(done.exception, UsageError)
    assert "--format iam-policy" in str(done.exception)


def test_a_policy_that_is_too_long_for_one_says_so() -> None:
    document = {"Version": "2012-10-17", "Statement": [
        {"Sid": "x", "Effect": "Allow", "Action": [f"s3:Get{number:04}" for number in range(700)], "Resource": "*"}
    ]}  # fmt: skip
    (said,) = remarks(document)
    assert "characters are more than the 6144" in said


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("s3", "list_buckets", "s3:ListAllMyBuckets"),
        ("s3", "get_bucket_encryption", "s3:GetEncryptionConfiguration"),
        ("s3", "get_public_access_block", "s3:GetBucketPublicAccessBlock"),
        ("s3control", "get_public_access_block", "s3:GetAccountPublicAccessBlock"),
        ("rds", "describe_db_instances", "rds:DescribeDBInstances"),
        ("efs", "describe_file_systems", "elasticfilesystem:DescribeFileSystems"),
        ("accessanalyzer", "list_analyzers", "access-analyzer:ListAnalyzers"),
        ("elbv2", "describe_load_balancers", "elasticloadbalancing:DescribeLoadBalancers"),
    ],
)
def test_a_call_is_allowed_by_the_action_that_iam_knows(service: str, operation: str, action: str) -> None:
    assert permissions([api(service, operation)]) == sorted([action, "ec2:DescribeRegions"])


def test_what_the_question_itself_says_about_its_right_wins() -> None:
    assert action_of("apigateway", "GetRestApis", "apigateway:GET") == "apigateway:GET"


def test_no_question_to_aws_needs_no_right() -> None:
    assert permissions([sh("id")]) == []
    assert iam_policy([])["Statement"] == []


@pytest.mark.parametrize("probe", [api("s3", "list_buckts"), api("s4", "list_buckets")])
def test_a_call_that_does_not_exist_is_refused_by_name(probe: Probe) -> None:
    with pytest.raises(UsageError, match=r"no (operation|service)"):
        permissions([probe])


FORBIDDEN = """
delete_bucket put_object get_object get_secret_value decrypt get_parameters_by_path run_instances get_password_data
assume_role update_trail get_function listx generate_credential_report
"""


@pytest.mark.parametrize("operation", FORBIDDEN.split())
def test_what_writes_or_gives_away_content_is_not_allowed(operation: str) -> None:
    assert not allowed(operation)


def test_every_planned_call_is_allowed() -> None:
    assert all(allowed(str(probe.ask[2])) for probe in planned())


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (refusal("AccessDenied", 403), "denied"),
        (refusal("AccessDeniedException"), "denied"),
        (refusal("Client.UnauthorizedOperation", 403), "denied"),
        (refusal("com.amazonaws.kms#AccessDeniedException"), "denied"),
        (refusal("ThrottlingException"), "throttled"),
        (refusal("RequestLimitExceeded", 503), "throttled"),
        (refusal("UnknownOperationException"), "unsupported"),
        (refusal("UnrecognizedClientException"), "auth-failed"),
        (refusal("InternalError", 500), "failed"),
        (refusal("NoSuchBucket", 404), "failed"),
        (EndpointConnectionError(endpoint_url="https://x"), "unreachable"),
        (ReadTimeoutError(endpoint_url="https://x"), "timed-out"),
    ],
)
def test_an_error_is_read_for_what_it_is(error: Exception, problem: str) -> None:
    assert judge(error, "s3:ListAllMyBuckets", "eu-west-1")[0] == problem


def test_a_denial_names_the_action_and_the_region() -> None:
    _, detail = judge(refusal("AccessDenied"), "s3:ListAllMyBuckets", "eu-west-1")
    assert "s3:ListAllMyBuckets" in detail and "eu-west-1" in detail


@pytest.mark.parametrize("error", [refusal("ExpiredToken"), refusal("RequestExpired"), NoCredentialsError()])
def test_credentials_that_do_not_work_any_more_end_the_visit(error: Exception) -> None:
    with pytest.raises(AuthFailed):
        judge(error, "s3:ListAllMyBuckets", "eu-west-1")


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"subject": "x"}]', "<html>", "null"])
def test_rows_of_another_shape_are_not_guessed_at(text: str) -> None:
    with pytest.raises(Unparsable):
        parse.rows(text)


def test_rows_know_what_they_were_asked_about() -> None:
    (row,) = parse.rows('[{"subject": "a", "account": "1", "region": "r", "item": null, "of": "b"}]')
    assert (row.subject, row.of, row.item, row.fields) == ("a", "b", None, {})


def test_no_password_of_an_address_and_no_value_of_a_variable_is_kept() -> None:
    assert aws_call._plain({"a": ["see https://me:hunter2@git.example/x"]}) == {
        "a": ["see https://me:***@git.example/x"]
    }
    kept = {probe.ask[2]: str(probe.ask[3]) for probe in planned()}
    assert "value" not in kept["batch_get_projects"].replace("not_null(value", "")
    secrets = {"name": "K", "value": "hunter2"}
    task = {"taskDefinition": {"containerDefinitions": [{"name": "c", "environment": [secrets]}]}}
    told = jmespath.search(json.loads(kept["describe_task_definition"])["items"], task)
    assert "hunter2" not in json.dumps(told)
    assert told["containerDefinitions"][0]["environment"] == [{"name": "K", "letters": 7}]
    project = {"projects": [{"source": {}, "environment": {"environmentVariables": [secrets]}}]}
    assert "hunter2" not in json.dumps(jmespath.search(json.loads(kept["batch_get_projects"])["items"], project))
