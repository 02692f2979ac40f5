"""Windows over WinRM, against a server that an unmodified pywinrm talks to: every way that a visit can end."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import logging
import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from checks.windows import audit, firewall, policy, release, services
from scanner.errors import AuthFailed, HostKeyChanged, TargetError, Unreachable, VisitFailed
from scanner.model import Access, Asset, Probe, Reply, Winrm
from scanner.probes import powershell, sh
from scanner.transports import Bounds, transport
from tests.live.winrm_certificates import certificates
from tests.live.winrm_host import Machine, described_machine
from tests.live.winrm_server import PASSWORD, USER, Faults, Server, winrm_server

pytestmark = pytest.mark.live
PROBES = [fact.probe for fact in (services.SERVICES, policy.SECURITY, audit.AUDIT, release.BUILD, firewall.PROFILES)]


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKLINE_TEST_PASSWORD", PASSWORD)


def access(server: Server, **changed: Any) -> Winrm:
    """The way in that works, with some of it changed."""
    tls = server.url.startswith("https")
    way = Winrm(USER, "env:RISKLINE_TEST_PASSWORD", port=server.port, ca_file=server.ca if tls else None)
    return replace(way, scheme="https" if tls else "http", **changed)


def visit(way: Winrm, probes: list[Probe] | None = None, bounds: Bounds | None = None) -> Mapping[Probe, Reply]:
    """One visit through the transport, as the pipeline makes it."""
    asset = Asset("srv", address="localhost", access=Access(winrm=way))
    return transport("winrm").visit(asset, probes or PROBES, bounds or Bounds(30, 8 << 20))


def visit_with(faults: Faults, bounds: Bounds | None = None, tls: bool = True) -> Mapping[Probe, Reply]:
    """One visit of a server at which something goes wrong."""
    with winrm_server(described_machine(), faults, tls) as server:
        return visit(access(server), None, bounds)


def problems(replies: Mapping[Probe, Reply]) -> set[str | None]:
    return {reply.problem for reply in replies.values()}


@pytest.mark.parametrize(("tls", "how"), [(True, "ntlm"), (True, "basic"), (False, "ntlm")])
def test_every_question_is_answered_in_six_messages(tls: bool, how: Any) -> None:
    with winrm_server(described_machine(), tls=tls) as server:
        replies = visit(access(server, transport=how))
        assert problems(replies) == {None}
        assert server.requests == ["Create", "Command", "Send", "Receive", "Signal", "Delete"]
        assert json.loads(replies[release.BUILD.probe].text)["value"] == "20348"


def test_over_plain_http_every_message_is_sealed_and_nothing_is_readable() -> None:
    with winrm_server(described_machine(), tls=False) as server:
        visit(access(server))
        assert server.sealed == len(server.requests) == 6
        wire = b"".join(server.seen)
        assert b"Envelope" not in wire and b"riskline" not in wire


def test_login_over_plain_http_without_encryption_is_refused_with_the_remedy_before_anything_is_sent() -> None:
    with winrm_server(described_machine(), tls=False) as server:
        with pytest.raises(AuthFailed, match="scheme: https"):
            visit(access(server, transport="basic"))
        assert server.seen == []


def test_a_server_that_lets_anybody_in_gets_no_question_in_clear_text() -> None:
    with winrm_server(described_machine(), tls=False) as server:
        server.RequestHandlerClass.allowed = True  # type: ignore[attr-defined]
        try:
            with pytest.raises(TargetError):
                visit(access(server))
        finally:
            server.RequestHandlerClass.allowed = False  # type: ignore[attr-defined]
        assert not any(b"Envelope" in body for body in server.seen)


@pytest.mark.fault("N13")
def test_an_unknown_authority_is_refused_before_the_password_is_used() -> None:
    with winrm_server(described_machine()) as server:
        with pytest.raises(AuthFailed, match="ca_file"):
            visit(access(server, ca_file=None))
        assert server.seen == [] and server.handshakes == 0


def test_a_pinned_certificate_needs_no_authority() -> None:
    with winrm_server(described_machine()) as server:
        pinned = ":".join(re.findall("..", server.fingerprint.upper()))
        assert problems(visit(access(server, ca_file=None, fingerprint=pinned))) == {None}


@pytest.mark.fault("N13")
def test_another_certificate_than_the_pinned_one_is_not_talked_to() -> None:
    with winrm_server(described_machine()) as server:
        with pytest.raises(HostKeyChanged, match="pinned"):
            visit(access(server, ca_file=None, fingerprint="0" * 64))
        assert server.seen == []


@pytest.mark.fault("N13")
def test_a_name_that_the_certificate_does_not_have_is_refused() -> None:
    with winrm_server(described_machine()) as server, pytest.raises(AuthFailed, match="certificate"):
        asset = Asset("srv", address="127.0.0.1", access=Access(winrm=access(server)))
        transport("winrm").visit(asset, PROBES, Bounds(20, 1 << 20))


@pytest.mark.parametrize("how", ["ntlm", "basic"])
def test_a_wrong_password_is_auth_failed(how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKLINE_TEST_PASSWORD", "wrong")
    with winrm_server(described_machine()) as server:
        with pytest.raises(AuthFailed, match="refused"):
            visit(access(server, transport=how))
        assert server.requests == []


@pytest.mark.fault("I6")
def test_a_password_that_is_not_set_is_auth_failed_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISKLINE_TEST_PASSWORD")
    with winrm_server(described_machine()) as server, pytest.raises(AuthFailed, match="RISKLINE_TEST_PASSWORD"):
        visit(access(server))


def test_a_server_without_our_way_of_logging_in_is_auth_failed() -> None:
    with pytest.raises(AuthFailed):
        visit_with(Faults(refuse=True))


def test_a_login_by_certificate_needs_no_password() -> None:
    made = certificates()
    with winrm_server(described_machine()) as server:
        way = access(server, transport="certificate", user=str(made.client), password=f"file:{made.client_key}")
        assert problems(visit(way)) == {None}
        assert server.handshakes == 1


def test_a_certificate_without_its_key_file_is_refused_with_the_remedy() -> None:
    with winrm_server(described_machine()) as server, pytest.raises(AuthFailed, match="file:PATH"):
        visit(access(server, transport="certificate"))


@pytest.mark.parametrize("how", ["kerberos", "credssp"])
def test_a_way_to_log_in_that_is_not_installed_says_how_to_install_it(how: Any) -> None:
    if importlib.util.find_spec({"kerberos": "gssapi", "credssp": "requests_credssp"}[how]):
        pytest.skip(f"{how} is installed here")
    with winrm_server(described_machine()) as server, pytest.raises(AuthFailed, match="pip install"):
        visit(access(server, transport=how))


@pytest.mark.fault("N1")
def test_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable):
        visit(Winrm(USER, "env:RISKLINE_TEST_PASSWORD", port=port))


@pytest.mark.fault("N10")
def test_a_port_without_tls_is_unreachable_and_says_so() -> None:
    with winrm_server(described_machine(), tls=False) as server, pytest.raises(Unreachable, match="HTTPS"):
        visit(replace(access(server), scheme="https"))


@pytest.mark.parametrize(
    ("faults", "kind", "problem", "words"),
    [
        (Faults(at="Create", code=2150859173), VisitFailed, "throttled", "too many"),
        (Faults(at="Create", code=7, subcode="w:QuotaLimit"), VisitFailed, "throttled", "too many"),
        (Faults(at="Create", code=1907), AuthFailed, "auth-failed", "expired"),
        (Faults(at="Create", code=5, subcode="w:AccessDenied"), AuthFailed, "auth-failed", "S-1-5-32-580"),
        (Faults(at="Command", code=2150858843), VisitFailed, "failed", "ended on the machine"),
        (Faults(at="Receive", code=2150858843), VisitFailed, "failed", "ended on the machine"),
        (Faults(at="Receive", code=2150858843, half=True), VisitFailed, "failed", "middle of its answer"),
        (Faults(at="Create", code=12345678), VisitFailed, "failed", "0x00BC614E"),
        (Faults(at="Create", status=500), VisitFailed, "failed", "500"),
        (
            Faults(at="Create", status=302, headers={"Location": "http://127.0.0.1:9/"}),
            VisitFailed,
            "failed",
            "redirect",
        ),
        (Faults(at="Create", rewrite=lambda body: body[:100]), VisitFailed, "failed", "WS-Management"),
        (Faults(at="Create", rewrite=lambda body: b"<a/>"), VisitFailed, "failed", "WS-Management"),
        (
            Faults(at="Create", rewrite=lambda body: b'<!DOCTYPE x [<!ENTITY a "b">]>' + body),
            VisitFailed,
            "failed",
            "type",
        ),
        (Faults(at="Receive", rewrite=lambda body: b"\xff\xfe" + body), VisitFailed, "failed", "WS-Management"),
        (Faults(at="Receive", rewrite=lambda body: body.replace(b"Name=", b"Nome=")), VisitFailed, "failed", "WS-M"),
        (Faults(output=lambda out: b""), VisitFailed, "failed", "without an answer"),
        (
            Faults(output=lambda out: b"", stderr=b'#< CLIXML <S S="Error">no memory</S>'),
            VisitFailed,
            "failed",
            "memory",
        ),
        (Faults(output=lambda out: out[: len(out) // 2]), VisitFailed, "failed", "middle"),
        (Faults(output=lambda out: out.replace(b"A", b"!")), VisitFailed, "failed", "unpacked"),
    ],
)
@pytest.mark.fault("N14")
def test_a_fault_ends_as_its_designed_reason(faults: Faults, kind: type[TargetError], problem: str, words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        visit_with(faults)
    assert caught.value.problem == problem


def packed(document: bytes) -> Any:
    """An output function: the frames stay, the document between them is another."""

    def change(output: bytes) -> bytes:
        nonce = output.split(b" ", 1)[0]
        return nonce + b" GZ\r\n" + base64.b64encode(gzip.compress(document)) + b"\r\n" + nonce + b" END\r\n"

    return change


@pytest.mark.parametrize(
    "document", [b"", b"{", b'{"n": 0}', b'"x"', b"[" * 100_000, b"\xff\xfe\x00", b'[{"n": 0, "s": "ok", "t": "x"}']
)
def test_a_document_of_another_shape_fails_the_visit(document: bytes) -> None:
    with pytest.raises(VisitFailed):
        visit_with(Faults(output=packed(document)))


@pytest.mark.parametrize(
    "row",
    [
        *[
            {"n": 0},
            {"n": 0, "s": "ok"},
            {"n": 0, "s": "ok", "t": 7},
            {"n": 0, "s": None},
            {"n": 0, "s": "fine", "t": ""},
        ],
        *[
            {"n": "0", "s": "ok", "t": "x"},
            {"n": True, "s": "ok", "t": "x"},
            {"n": 99, "s": "ok", "t": "x"},
            7,
            None,
            [],
        ],
        {"n": 0, "s": "ok", "t": "x" * (2 << 20)},
    ],
)
def test_a_row_of_another_shape_is_never_an_answer(row: Any) -> None:
    replies = visit_with(Faults(output=packed(json.dumps([row]).encode())))
    assert all(reply.problem for reply in replies.values())


@pytest.mark.fault("N14")
def test_a_small_answer_that_unpacks_to_a_huge_one_is_bounded() -> None:
    with pytest.raises(VisitFailed, match="larger than"):
        visit_with(Faults(output=packed(b" " * (200 << 20))), Bounds(30, 1 << 20))


@pytest.mark.fault("N14")
def test_an_endless_envelope_ends_at_the_byte_limit() -> None:
    faults = Faults(at="Receive", rewrite=lambda body: body + b" " * (64 << 20))
    assert problems(visit_with(faults, Bounds(30, 1 << 20))) == {"truncated"}


def test_an_oversized_first_answer_is_truncated_too() -> None:
    with pytest.raises(VisitFailed) as caught:
        visit_with(Faults(at="Create", rewrite=lambda body: body + b" " * (8 << 20)), Bounds(30, 1 << 20))
    assert caught.value.problem == "truncated"


def test_a_body_that_is_compressed_unasked_is_not_unpacked() -> None:
    with pytest.raises(VisitFailed, match="compressed"):
        visit_with(Faults(at="Create", status=200, headers={"Content-Encoding": "gzip"}))


def test_a_machine_that_never_has_anything_to_say_ends_at_the_deadline() -> None:
    assert problems(visit_with(Faults(at="Receive", code=2150858793), Bounds(2, 1 << 20))) == {"timed-out"}


@pytest.mark.parametrize("drip", ["headers", "body"])
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.fault("T5")
def test_a_machine_that_drips_its_answer_ends_at_the_deadline(drip: str, tls: bool) -> None:
    with pytest.raises(Unreachable, match="deadline"):
        visit_with(Faults(drip=drip), Bounds(1.5, 1 << 20), tls)


@pytest.mark.fault("T6")
def test_a_machine_that_hangs_while_it_works_is_timed_out() -> None:
    assert problems(visit_with(Faults(at="Receive", hang=True), Bounds(1.5, 1 << 20))) == {"timed-out"}


@pytest.mark.fault("N4")
def test_a_port_that_takes_the_connection_and_says_nothing_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unreachable):
        port = silent.getsockname()[1]
        visit(Winrm(USER, "env:RISKLINE_TEST_PASSWORD", port=port), None, Bounds(1, 1 << 20))


@pytest.mark.parametrize("how", ["basic", "ntlm"])
def test_no_secret_and_no_script_is_logged_or_part_of_a_command(how: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), winrm_server(described_machine()) as server:
        visit(access(server, transport=how))
        command, script = server.scripts
    assert PASSWORD not in caplog.text and PASSWORD not in command + script
    assert len(command) < 200 and "riskline" not in command


def test_a_login_that_is_no_administrator_is_denied_only_what_needs_one() -> None:
    machine = described_machine()
    machine.elevated = False
    replies = visit_machine(machine)
    assert replies[release.BUILD.probe].problem is None
    assert {reply.problem for probe, reply in replies.items() if probe.privileged} == {"denied"}
    assert all("administrator" in reply.detail for probe, reply in replies.items() if probe.privileged)


def visit_machine(machine: Machine, probes: list[Probe] | None = None) -> Mapping[Probe, Reply]:
    """One visit of that machine."""
    with winrm_server(machine) as server:
        return visit(access(server), probes)


@pytest.mark.parametrize("language", ["de", "ja"])
@pytest.mark.fault("T15")
def test_the_display_language_changes_no_answer(language: str) -> None:
    english, other = described_machine(), described_machine()
    other.language = language
    told, expected = visit_machine(other), visit_machine(english)
    for fact in (policy.SECURITY, audit.AUDIT, services.SERVICES, firewall.PROFILES, release.BUILD):
        assert fact.parse(told[fact.probe].text) == fact.parse(expected[fact.probe].text)


def test_a_refusal_in_another_language_is_denied_all_the_same() -> None:
    machine = described_machine()
    machine.language = "ja"
    machine.denies = {"Get-NetFirewallProfile", r"HKLM\SOFTWARE\Microsoft\Windows NT"}
    replies = visit_machine(machine)
    assert replies[firewall.PROFILES.probe].problem == replies[release.BUILD.probe].problem == "denied"


def test_constrained_language_mode_is_answered_without_compression() -> None:
    machine = described_machine()
    machine.constrained = True
    assert problems(visit_machine(machine)) == {None}


def test_what_a_machine_lacks_is_absent_and_what_it_cannot_be_asked_is_unsupported() -> None:
    machine = described_machine()
    machine.lacks = {"Get-NetFirewallProfile"}
    odd = [sh("id"), powershell("x\n'@; y"), powershell("'ü'"), powershell("x", of="a b"), Probe("windows", ("dump",))]
    replies = visit_machine(machine, [firewall.PROFILES.probe, *odd])
    assert replies[firewall.PROFILES.probe].problem == "absent"
    assert {replies[probe].problem for probe in odd} == {"unsupported"}


def test_a_question_that_fails_costs_no_other() -> None:
    unknown = powershell("Get-Nonsense")
    replies = visit_machine(described_machine(), [unknown, release.BUILD.probe])
    assert replies[unknown].problem == "failed"
    assert replies[release.BUILD.probe].problem is None
