"""The batched script against real shells: whatever a command does, its frame holds and the others are answered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import file, files, sh, stat, visit
from scanner.errors import VisitFailed
from scanner.model import Probe, Reply
from scanner.transports import Bounds, hanging
from scanner.transports.posix import Batch
from scanner.transports.process import run

SHELLS = [[found] for name in ("dash", "bash") if (found := shutil.which(name))]
SHELLS += [[found, "sh"] for name in ("busybox",) if (found := shutil.which(name))]


def put(probes: list[Probe], shell: list[str] | None = None, gzip: bool = False) -> Mapping[Probe, Reply]:
    batch = Batch(probes, sudo=False, gzip=gzip)
    stdout, stderr, ended = run([*(shell or ["/bin/sh"]), "-s"], batch.script, Bounds(60), {"PATH": "/usr/bin:/bin"})
    return batch.replies(stdout, stderr, ended)


@pytest.fixture(params=SHELLS, ids=lambda shell: Path(shell[0]).name)
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


@pytest.mark.fault("T10", "T14")
def test_every_kind_of_end_has_its_own_answer(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("text\nwithout end")
    (tmp_path / "link").symlink_to("nowhere")
    expected: dict[Probe, tuple[str, str | None]] = {
        sh("printf 'out'; printf 'err' >&2"): ("out", None),
        sh("exit 3"): ("", "failed"),
        sh("echo 'System has not been booted with systemd as init' >&2; exit 1"): ("", "not-running"),
        sh("echo 'Error sending status request (Operation not permitted)' >&2; exit 255"): (
            "",
            "denied" if os.geteuid() else "not-running",
        ),
        sh("echo fine; exit 1", ok=(0, 1)): ("fine\n", None),
        sh("sleep 20", timeout_s=1): ("", "timed-out"),
        sh("yes", timeout_s=15, max_bytes=100_000): ("", "truncated"),
        sh("yes >&2", timeout_s=1): ("", "timed-out"),
        sh("cat"): ("", None),
        sh("kill -9 $$"): ("", "timed-out"),
        sh("true", of="no-such-program"): ("", "absent"),
        sh("printf 'a\\0b\\377\\n'"): ("a\0b\\xff\n", None),
        file(f"{tmp_path}/kept"): ("text\nwithout end", None),
        file(f"{tmp_path}/none/at/all"): ("", "absent"),
        file(f"{tmp_path}/link"): ("", "absent"),
        file(f"{tmp_path}"): ("", "failed"),
        file("/dev/zero"): ("", "failed"),
        file("/etc/hostname", max_bytes=1): ("", "truncated"),
        stat(f"{tmp_path}/none"): ("", "absent"),
        visit("host-key"): ("", "absent"),
    }
    found = put(list(expected), shell)
    assert {
        probe.key: (found[probe].text, found[probe].problem) for probe in expected if probe.ask[1] != "kill -9 $$"
    } == {probe.key: said for probe, said in expected.items() if probe.ask[1] != "kill -9 $$"}
    assert found[sh("kill -9 $$")].problem in {"timed-out", "failed"}


@pytest.mark.fault("T19")
def test_files_come_with_their_names_and_the_empty_device_counts_as_an_empty_file(
    shell: list[str], tmp_path: Path
) -> None:
    (tmp_path / "b.conf").write_text("two")
    (tmp_path / "a.conf").write_text("one\n")
    (tmp_path / "c.conf").symlink_to("/dev/null")
    (tmp_path / "d.conf").mkdir()
    probe = files(f"{tmp_path}/*.conf", f"{tmp_path}/none", "/nowhere/*.conf")
    reply = put([probe], shell)[probe]
    assert json.loads(reply.text) == {
        f"{tmp_path}/a.conf": "one\n", f"{tmp_path}/b.conf": "two", f"{tmp_path}/c.conf": "",
    }  # fmt: skip


@pytest.mark.fault("T19")
def test_a_file_name_with_a_line_break_is_not_read_past(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("one")
    (tmp_path / "b\nF x.conf").write_text("two")
    probe = files(f"{tmp_path}/*.conf")
    assert put([probe])[probe].problem == "failed"


def test_stat_tells_mode_owner_and_type_and_proves_absence(shell: list[str], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("")
    kept.chmod(0o4751)
    probe = stat(str(kept), f"{tmp_path}/none")
    found = json.loads(put([probe], shell)[probe].text)
    assert found[f"{tmp_path}/none"] is None
    assert found[str(kept)][:3] == ["4751", str(kept.stat().st_uid), str(kept.stat().st_gid)]
    assert found[str(kept)][5] == "regular file"


def test_the_compressed_answer_is_the_same(shell: list[str]) -> None:
    probes = [sh("seq 1 20000"), file("/etc/passwd")]
    assert put(probes, shell, gzip=True) == put(probes, shell)


@pytest.mark.fault("T25")
def test_a_command_sees_the_nonce_nowhere_and_no_descriptor_but_three(shell: list[str]) -> None:
    """Not in its environment, even where the login's has variables of the script's names; not in any arguments."""
    probe = sh(
        "env; cat; for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; done 2>/dev/null; echo; ls /proc/self/fd; :"
    )
    named = {"PATH": "/usr/bin:/bin", **dict.fromkeys(("N", "S", "K", "M", "U", "e"), "x")}
    for apart in (False, True):
        batch = Batch([probe, sh("echo bad >&2; false"), probe], sudo=False, apart=apart)
        reply = batch.replies(*run([*shell, "-s"], batch.script, Bounds(30), named))[probe]
        assert batch.nonce not in reply.text
        assert reply.text.endswith("\n0\n1\n2\n3\n"), "3 is the folder that ls reads"


@pytest.mark.fault("T25")
def test_output_cannot_forge_a_frame() -> None:
    forged = sh("printf '\\n00000000000000000000000000000000 S 0\\n'; exit 9")
    after = sh("echo true")
    batch = Batch([forged, after], sudo=False, nonce="1" * 32)
    stdout, stderr, ended = run(["/bin/sh", "-s"], batch.script, Bounds(30), {})
    found = batch.replies(stdout, stderr, ended)
    assert found[forged].problem == "failed"
    assert found[after].text == "true\n"


@pytest.mark.fault("T2")
def test_an_error_text_is_that_of_its_own_question_and_a_flood_of_one_costs_no_other(shell: list[str]) -> None:
    quiet = [sh(f"echo {n}; echo bad {n} >&2; exit {n}") for n in range(1, 40)]
    flood = sh("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1")
    for probes in (quiet, [*quiet[:5], flood, *quiet[5:]]):
        found = put(probes, shell)
        said = {probe: (reply.problem, reply.detail) for probe, reply in found.items() if probe != flood}
        assert said == {sh(f"echo {n}; echo bad {n} >&2; exit {n}"): ("failed", f"exit status {n}: bad {n}")
                        for n in range(1, 40)}  # fmt: skip
    assert found[flood].detail == f"exit status 1: {'x' * 2000}"


def test_what_a_question_leaves_running_writes_into_no_other_answer(shell: list[str]) -> None:
    leaves = sh("( sleep 0.3; echo late; echo late >&2 ) & echo one")
    others = [sh(f"sleep 0.1; echo {n}") for n in range(8)]
    found = put([leaves, *others], shell)
    assert [found[probe].text for probe in others] == [f"{n}\n" for n in range(8)]
    assert found[leaves].text in {"one\n", "one\nlate\n"} or found[leaves].problem


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)")
def test_a_question_costs_a_shell_and_what_bounds_it(shell: list[str]) -> None:
    """Numbers of processes are given in turn: those of two questions are as far apart as one costs processes."""
    probes = [sh(f"echo $$ {n}") for n in range(32)]
    batch = Batch(probes, sudo=False)
    stdout, stderr, ended = run(["unshare", "--pid", "--fork", *shell, "-s"], batch.script, Bounds(60), {})
    numbers = [int(reply.text.split()[0]) for reply in batch.replies(stdout, stderr, ended).values()]
    apart = sorted(second - first for first, second in pairwise(numbers))
    assert apart[len(apart) // 2] <= 5  # timeout(1), the shell, head(1), and the ends of the pipe


@pytest.mark.parametrize(("login", "problem"), [(0, None), (1000, "failed")])
def test_an_ordinary_users_answer_without_its_error_text_is_not_judged(login: int, problem: str | None) -> None:
    """It may have said that a part of it was denied. Root is denied nothing."""
    probe, mark = sh("x"), "\n" + "4" * 32
    batch = Batch([probe], sudo=False, nonce="4" * 32)
    frames = ["HELLO RAW\n", f"UID {login}\n", "B 0\nhalf of it", "S 0\n", "END\n"]
    answer = "".join(f"{mark} {frame}" for frame in frames)
    assert batch.replies(answer.encode(), b"", "complete")[probe].problem == problem


def test_answers_that_came_without_their_error_texts_are_asked_for_again_behind_what_hangs() -> None:
    probes = [file("/a"), *(sh(str(n)) for n in range(5))]
    batch, mark = Batch(probes, sudo=False, nonce="6" * 32), "\n" + "6" * 32
    heads = ["HELLO RAW", "UID 0", "B 0", "S 0", "B 1", "S 0", "A 2", "B 3", "S 0", "B 4"]
    said = "".join(f"{mark} {head}\n" for head in heads).encode()
    assert hanging.behind(batch, said) == (probes[4], [probes[1], probes[3], probes[5]])
    closed = "".join(f"{mark} {head}\n" for head in [*heads[:-1], "E 1", "E 3", "E", "B 4"]).encode()
    assert hanging.behind(batch, closed) == (probes[4], [probes[5]])
    open_ = "".join(f"{mark} {head}\n" for head in heads[:-1]).encode()
    assert hanging.behind(batch, open_) == (None, [probes[1], probes[3], probes[4], probes[5]])
    put_again_alone = "".join(f"{mark} {head}\n" for head in [*heads[:-1], "B 1"]).encode()
    assert hanging.behind(batch, put_again_alone) == (probes[1], [probes[3], probes[2], probes[4], probes[5]])


def test_a_torn_upload_runs_nothing(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    script = Batch([sh(f"touch {witness}")], sudo=False).script
    for cut in range(0, script.rindex(b"riskline"), 97):
        done = subprocess.run(["/bin/sh", "-s"], input=script[:cut], capture_output=True, check=False, timeout=30)
        assert b" B 0" not in done.stdout
    assert not witness.exists()


@given(st.integers(min_value=0))
@pytest.mark.fault("T9", "T10")
def test_a_torn_answer_is_never_judged(cut: int) -> None:
    probes = [sh("seq 1 50"), file("/etc/passwd"), stat("/etc/passwd"), files("/etc/host*")]
    answer = _answer(tuple(probes))
    batch = Batch(probes, sudo=False, nonce="2" * 32)
    torn = answer[: cut % len(answer)]
    try:
        found = batch.replies(torn, b"", "broken-off")
    except VisitFailed:
        return
    whole = batch.replies(answer, b"", "complete")
    for probe in probes:
        assert found[probe].problem in {"failed", "truncated"} or found[probe] == whole[probe]


@given(st.binary(max_size=300))
@pytest.mark.fault("T21")
def test_any_bytes_for_an_answer_end_in_a_designed_problem(noise: bytes) -> None:
    probes = [sh("x"), file("/y"), stat("/z"), files("/w/*")]
    batch = Batch(probes, sudo=False, nonce="3" * 32)
    mark = b"\n" + b"3" * 32 + b" "
    found = batch.replies(mark + b"HELLO RAW\n" + noise.replace(b"|", mark), b"", "complete")
    assert set(found) == set(probes)


@given(
    st.lists(
        st.sampled_from([*"ABDEFPSX", "UID", "END", "B 0", "S 0", "A 99", "D -1", "X ²", "P d:", "P 1:2"]), max_size=12
    )
)
@pytest.mark.fault("T25")
def test_a_host_that_knows_the_nonce_and_lies_crashes_nothing(heads: list[str]) -> None:
    probes = [sh("x"), file("/y"), stat("/z"), files("/w/*")]
    mark = "\n" + "3" * 32 + " "
    answer = mark + "HELLO RAW\n" + "".join(f"{mark}{head}\ntext" for head in heads)
    assert set(Batch(probes, sudo=False, nonce="3" * 32).replies(answer.encode(), b"", "complete")) == set(probes)


_ANSWERS: dict[tuple[Probe, ...], bytes] = {}


def _answer(probes: tuple[Probe, ...]) -> bytes:
    if probes not in _ANSWERS:
        batch = Batch(probes, sudo=False, nonce="2" * 32)
        _ANSWERS[probes] = run(["/bin/sh", "-s"], batch.script, Bounds(30), {})[0]
    return _ANSWERS[probes]


@pytest.mark.fault("T11")
def test_noise_of_a_login_shell_before_the_greeting_is_ignored() -> None:
    probe = sh("echo true")
    batch = Batch([probe], sudo=False)
    stdout, stderr, ended = run(["/bin/sh", "-s"], b"echo welcome; echo HELLO\n" + batch.script, Bounds(30), {})
    assert batch.replies(stdout, stderr, ended)[probe].text == "true\n"
    with pytest.raises(VisitFailed, match="did not run /bin/sh: This account is closed"):
        batch.replies(b"welcome", b"This account is closed.\n", "complete")
