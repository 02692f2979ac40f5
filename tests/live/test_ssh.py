"""SSH against a real sshd of the test's own: what is asked of it, what its users may, and how a visit ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from scanner import file, files, sh, stat, visit
from scanner.errors import VisitFailed
from scanner.model import Asset, Probe, Reply
from scanner.transports import Bounds, transport

from .sshd import USABLE, WHY, Sshd, sshd, threads_left

pytestmark = [pytest.mark.live, pytest.mark.skipif(not USABLE, reason=WHY)]
WHO = sh("id -un")
SHADOW = file("/etc/shadow", sudo=True)
LAST = sh("echo last")
HOST_KEY = visit("host-key")


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd() as running:
        yield running


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert threads_left() == []


def go(asset: Asset, probes: Sequence[Probe], bounds: Bounds | None = None) -> Mapping[Probe, Reply]:
    return transport("ssh").visit(asset, probes, bounds or Bounds(60))


@pytest.mark.fault("T30")
def test_hundreds_of_probes_cost_one_connection_one_session_and_one_sudo() -> None:
    probes = [sh(f"echo {n}; id -u") for n in range(400)]
    probes += [SHADOW, files("/etc/pam.d/*"), stat("/etc", "/none")]
    with sshd() as running:
        found = go(running.asset(), probes)
        assert [found[probe].text for probe in probes[:400]] == [f"{n}\n0\n" for n in range(400)]
        assert found[SHADOW].text.startswith("root:")
        assert (running.connections, running.sessions, len(running.sudo_log)) == (1, 1, 1)


@pytest.mark.fault("T13")
def test_without_sudo_only_what_needs_root_is_denied(server: Sshd) -> None:
    hidden = sh("cat /etc/shadow")
    found = go(server.asset(user="plain"), [WHO, SHADOW, hidden, file("/etc/passwd")])
    assert found[WHO].text == "plain\n"
    assert found[file("/etc/passwd")].text.startswith("root:")
    assert {found[SHADOW].problem, found[hidden].problem} == {"denied"}
    assert "sudo" in found[SHADOW].detail


@pytest.mark.fault("T13")
def test_sudo_is_not_tried_where_it_is_not_wanted() -> None:
    with sshd() as running:
        found = go(running.asset(sudo="never"), [WHO, SHADOW])
        assert (found[WHO].text, found[SHADOW].problem) == ("audit\n", "denied")
        assert running.sudo_log == []


@pytest.mark.parametrize("user", ["root", "plain", "chatty", "odd", "csh", "fish"])
@pytest.mark.fault("T11")
def test_any_login_shell_can_start_the_script(server: Sshd, user: str) -> None:
    found = go(server.asset(user=user), [WHO, sh("echo only this"), sh("true", of="no-such-program")])
    assert found[WHO].text == f"{user}\n"
    assert found[sh("echo only this")].text == "only this\n"
    assert found[sh("true", of="no-such-program")].problem == "absent"


@pytest.mark.fault("T12")
def test_an_account_without_a_shell_is_named_as_the_reason(server: Sshd) -> None:
    with pytest.raises(VisitFailed, match="not available") as refused:
        go(server.asset(user="closed"), [WHO, HOST_KEY])
    assert refused.value.problem == "failed"
    assert '"known"' in refused.value.answered[HOST_KEY].text


@pytest.mark.fault("T2", "T3")
def test_a_flood_of_error_output_deadlocks_nothing(server: Sshd) -> None:
    server.on_login("head -c 5000000 /dev/zero >&2\nexec /bin/sh -s\n")
    found = go(server.asset(user="torn"), [WHO, sh("yes >&2", timeout_s=1), sh("seq 1 200000", max_bytes=2 << 20)])
    assert found[WHO].text == "torn\n"
    assert found[sh("yes >&2", timeout_s=1)].problem == "timed-out"
    assert found[sh("seq 1 200000", max_bytes=2 << 20)].text.endswith("\n200000\n")


@pytest.mark.fault("N9")
def test_a_script_longer_than_the_window_is_sent_while_answers_come(server: Sshd) -> None:
    probes = [sh(f"seq 1 2000 # {number} {'x' * 4000}") for number in range(700)]
    found = go(server.asset(), probes, Bounds(120))
    assert {(reply.problem, len(reply.text)) for reply in found.values()} == {(None, 8893)}


@pytest.mark.fault("T1", "T4")
def test_endless_output_is_cut_and_never_judged(server: Sshd) -> None:
    endless, after = sh("yes", timeout_s=15, max_bytes=100_000), sh("echo after")
    found = go(server.asset(), [endless, after])
    assert (found[endless].problem, found[after].text) == ("truncated", "after\n")


@pytest.mark.fault("T3")
def test_the_byte_limit_of_a_visit_holds_and_what_came_before_it_counts(server: Sshd) -> None:
    long, late = sh("seq 1 100000"), sh("echo late")
    found = go(server.asset(), [WHO, long, late], Bounds(60, max_bytes=100_000))
    assert found[WHO].text == "root\n"
    assert {found[long].problem, found[late].problem} == {"truncated"}


@pytest.mark.fault("T1")
def test_output_without_end_instead_of_a_shell_ends_at_the_byte_limit(server: Sshd) -> None:
    for flood in ("exec yes\n", "exec yes >&2\n"):
        server.on_login(flood)
        with pytest.raises(VisitFailed, match=r"did not run /bin/sh"):
            go(server.asset(user="torn"), [WHO], Bounds(60, max_bytes=3_000_000))


@pytest.mark.fault("T6")
def test_a_shell_that_answers_nothing_ends_at_the_deadline(server: Sshd) -> None:
    server.on_login("exec sleep 300\n")
    with pytest.raises(VisitFailed, match="did not answer in time"):
        go(server.asset(user="torn"), [WHO], Bounds(2))


@pytest.mark.fault("T7")
def test_a_process_that_keeps_the_session_open_delays_nothing(server: Sshd) -> None:
    server.on_login("sleep 300 &\nexec /bin/sh -s\n")
    assert go(server.asset(user="torn"), [WHO], Bounds(1000))[WHO].text == "torn\n"  # else the test's own limit comes


def torn_by(running: Sshd, number: signal.Signals, bounds: Bounds) -> Mapping[Probe, Reply]:
    """What is answered when sshd gets a signal in the middle of a visit."""
    probes = [WHO, sh("sleep 100", timeout_s=120), LAST]
    with ThreadPoolExecutor(1) as pool:
        visiting = pool.submit(go, running.asset(), probes, bounds)
        until = time.monotonic() + 20
        while not running.sudo_log and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        running.signal_sessions(number)
        return visiting.result(60)


@pytest.mark.fault("T8")
def test_a_server_that_stops_answering_is_left_at_the_deadline() -> None:
    with sshd() as running:
        found = torn_by(running, signal.SIGSTOP, Bounds(4))
    assert found[WHO].text == "root\n"
    assert [found[probe].problem for probe in found if probe is not WHO] == ["timed-out", "timed-out"]


@pytest.mark.fault("T9")
def test_a_server_that_is_killed_leaves_what_it_had_said_and_failures() -> None:
    with sshd() as running:
        found = torn_by(running, signal.SIGKILL, Bounds(60))
    assert found[WHO].text == "root\n"
    assert [found[probe].problem for probe in found if probe is not WHO] == ["failed", "failed"]
    assert "broke off" in found[LAST].detail


@pytest.mark.fault("T31")
def test_sessions_that_the_server_forbids_are_told(server: Sshd) -> None:
    with sshd(MaxSessions="0") as closed, pytest.raises(VisitFailed, match="gave no session: refused: "):
        go(closed.asset(), [WHO])
    with sshd(ForceCommand="/bin/echo only backups here") as forced, pytest.raises(VisitFailed, match="only backups"):
        go(forced.asset(), [WHO])


@pytest.mark.fault("P4")
def test_a_fleet_can_be_visited_at_once(server: Sshd) -> None:
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: go(server.asset(), [WHO])[WHO].text, range(24)))
    assert found == ["root\n"] * 24
