"""Signing in to an AWS account: keys, profiles, roles, and what is said where none of them leads in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.live.moto_server import ACCOUNT, Server, moto_server
from tests.live.test_aws import access, keys, outcomes, scan  # noqa: F401 - pytest finds a fixture by its name

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with moto_server() as found:
        yield found


def test_no_credentials_at_all_is_said_with_the_remedy(server: Server) -> None:
    way = replace(access(server), access_key_id=None, secret_access_key=None)
    collected, findings = scan(way)
    assert "aws sso login" in collected.evidence.failures["aws"]
    assert {f.reason for f in findings} - {"not-attested"} == {"auth-failed"}


SIGN_ON = """
[profile shop]
sso_session = company
sso_account_id = 111122223333
sso_role_name = Audit
[profile old-way]
sso_start_url = https://company.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 111122223333
sso_role_name = Audit
[sso-session company]
sso_start_url = https://company.awsapps.com/start
sso_region = eu-west-1
sso_registration_scopes = sso:account:access
"""


@pytest.mark.parametrize("profile", ["shop", "old-way"])
def test_a_profile_that_nobody_is_signed_in_to_says_how_to_sign_in(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str
) -> None:
    (tmp_path / "config").write_text(SIGN_ON)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    way = replace(access(server), access_key_id=None, secret_access_key=None, profile=profile)
    collected, findings = scan(way, select=("id=EBS-01",))
    assert f"aws sso login --profile {profile}" in collected.evidence.failures["aws"]
    assert {f.reason for f in findings} == {"auth-failed"}


def test_a_reference_that_leads_nowhere_is_this_assets_trouble(server: Server) -> None:
    collected, _ = scan(replace(access(server), access_key_id="env:RISKLINE_NOT_SET"))
    assert "RISKLINE_NOT_SET" in collected.evidence.failures["aws"]


def test_an_endpoint_where_nobody_listens_is_unreachable(server: Server) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        way = replace(access(server), endpoint=f"http://127.0.0.1:{held.getsockname()[1]}")
        _, findings = scan(way)
    assert {f.reason for f in findings} - {"not-attested"} == {"unreachable"}


def test_a_role_is_assumed_once(server: Server) -> None:
    server.calls.clear()
    way = replace(access(server), role=f"arn:aws:iam::{ACCOUNT}:role/audit", external_id="from-the-contract")
    _, findings = scan(way, select=("id=EBS-01",))
    asked = [body for call, body in server.calls if call.operation == "AssumeRole"]
    assert len(asked) == 1 and "ExternalId=from-the-contract" in asked[0]
    assert len(outcomes(findings, "EBS-01")) == 3
