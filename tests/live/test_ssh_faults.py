"""Hosts that are in the way of their own audit: floods, strange files, accounts that ended, sudo that asks, lies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from checks.linux.network import LISTENING
from checks.linux.selinux import LABELS
from scanner import file, files, sh, stat
from scanner.errors import AuthFailed, TargetError, VisitFailed
from scanner.model import Access, Asset, Local, Probe, Reply
from scanner.transports import Bounds, transport

from .sshd import USABLE, WHY, Sshd, sshd

pytestmark = [pytest.mark.live, pytest.mark.skipif(not USABLE, reason=WHY)]
WHO = sh("id -un")
HERE = Asset("here", access=Access(local=Local()))


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd() as running:
        yield running


def go(asset: Asset, probes: Sequence[Probe], bounds: Bounds | None = None) -> Mapping[Probe, Reply]:
    return transport("ssh").visit(asset, probes, bounds or Bounds(60))


@pytest.mark.fault("T2", "T3", "T4")
def test_ten_megabytes_on_both_streams_and_a_line_of_fifty_are_cut_and_nothing_waits(server: Sshd) -> None:
    both = sh("head -c 10000000 /dev/zero | tee /proc/self/fd/2", max_bytes=100_000)
    line = sh("head -c 50000000 /dev/zero | tr '\\0' x", max_bytes=100_000)
    found = go(server.asset(), [both, line, WHO])
    assert (found[both].problem, found[line].problem, found[WHO].text) == ("truncated", "truncated", "root\n")


@pytest.mark.fault("T31")
def test_keys_that_are_agreed_upon_anew_and_a_single_session_change_no_answer() -> None:
    long = sh("seq 1 150000", max_bytes=2 << 20)
    with sshd(RekeyLimit="100K", MaxSessions="1") as running:
        found = go(running.asset(), [long, WHO])
    assert (len(found[long].text), found[WHO].text) == (938_895, "root\n")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("19000:0:99999:7::1:", "auth"),  # the account ended long ago
        ("0:0:99999:7:::", "password"),  # must change its password first
        ("19000:0:1:7:::", "password"),  # its password is too old
    ],
)
@pytest.mark.fault("T12")
def test_an_account_that_ended_or_must_change_its_password_is_named_and_never_waited_for(
    fields: str, reason: str
) -> None:
    with sshd(UsePAM="yes") as running:
        shadow = running.folder / "etc" / "shadow"
        lines = [f"audit:{line.split(':')[1]}:{fields}" if line.startswith("audit:") else line
                 for line in shadow.read_text().splitlines()]  # fmt: skip
        shadow.write_text("\n".join(lines) + "\n")
        with pytest.raises(TargetError) as refused:
            go(running.asset(), [WHO], Bounds(20))
    assert isinstance(refused.value, AuthFailed if reason == "auth" else VisitFailed)
    assert reason in str(refused.value).lower() or reason == "auth", refused.value


@pytest.mark.parametrize(
    "rules",
    [
        "audit ALL=(root) ALL\n",  # asks for a password
        "Defaults requiretty\naudit ALL=(root) NOPASSWD: /bin/sh -s\n",
        "Defaults insults, lecture=always\naudit ALL=(root) ALL\n",
        "audit ALL=(root) NOPASSWD: /bin/true\n",
        "this line is no rule\n",
        "",
    ],
    ids=["password", "tty", "lecture", "another", "broken", "none"],
)
@pytest.mark.fault("T13")
def test_a_sudo_that_asks_lectures_or_wants_a_terminal_denies_what_needs_root_and_no_more(rules: str) -> None:
    with sshd() as running:
        (running.folder / "etc" / "sudoers").write_text(f"root ALL=(ALL) ALL\n{rules}")
        hidden = file("/etc/shadow", sudo=True)
        found = go(running.asset(), [WHO, hidden, file("/etc/passwd")], Bounds(30))
    if found[hidden].problem is None:  # this sudo ignores `requiretty` where it has become a word without meaning
        assert "requiretty" in rules
    else:
        assert (found[WHO].text, found[hidden].problem) == ("audit\n", "denied")
    assert found[file("/etc/passwd")].text.startswith("root:")


@pytest.mark.parametrize("language", ["de_DE", "fr_FR", "ja_JP"])
@pytest.mark.fault("T15")
def test_the_language_of_a_host_changes_no_answer(server: Sshd, tmp_path: Path, language: str) -> None:
    place = tmp_path / f"{language}.UTF-8"
    subprocess.run(["localedef", "--no-archive", "-i", language, "-f", "UTF-8", place], check=True, capture_output=True)
    tmp_path.chmod(0o755)
    day, number, error = sh("date -u -d @0 +%A"), sh("/usr/bin/printf %.1f 0.5"), sh("ls /none 2>&1; true")
    words = f'LANG={language}.UTF-8 LC_ALL={language}.UTF-8 LANGUAGE={language[:2]} LOCPATH="{tmp_path}"'
    with sshd(SetEnv=words) as abroad:
        spoken = subprocess.run(
            ["ssh", "-F", "none", "-i", abroad.key, "-p", str(abroad.port), "-o", "StrictHostKeyChecking=no",
             "-o", "UserKnownHostsFile=/dev/null", "root@127.0.0.1", "date -u -d @0 +%A"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert spoken.stdout.strip() in {"Donnerstag", "jeudi", "木曜日"}
        assert go(abroad.asset(), [day, number, error]) == go(server.asset(), [day, number, error])


@pytest.mark.fault("T30")
def test_the_questions_stand_back_behind_all_else_that_a_host_does(server: Sshd) -> None:
    """However it is entered: the script, and what it starts, run at the niceness 10."""
    for user in ("root", "audit", "plain"):
        nice = sh("nice; ps -o ni= -p $PPID")
        assert set(go(server.asset(user=user), [nice])[nice].text.split()) == {"10"}


@pytest.mark.parametrize("size_bytes", [0, 200_000, 1_000_000])
@pytest.mark.fault("N11")
def test_a_banner_of_any_length_is_passed_over_or_told(tmp_path: Path, size_bytes: int) -> None:
    """Above 256 KiB OpenSSH's own client takes no packet either."""
    (tmp_path / "banner").write_text("\x1b[2Jx" * (size_bytes // 5))
    with sshd(Banner=str(tmp_path / "banner")) as talkative:
        if size_bytes <= 1 << 18:
            assert go(talkative.asset(), [WHO])[WHO].text == "root\n"
            return
        with pytest.raises(TargetError) as left:
            go(talkative.asset(), [WHO], Bounds(20))
    assert "\x1b" not in str(left.value)


@pytest.mark.fault("T19")
def test_files_that_are_none_end_as_such_and_endless_ones_at_their_limit(server: Sshd, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    with (tmp_path / "sparse").open("wb") as made:
        made.truncate(1 << 40)
    (tmp_path / "null").symlink_to("/dev/null")
    names = ("pipe", "circle", "sparse")
    alone = {name: file(str(tmp_path / name)) for name in names}
    every = {name: files(str(tmp_path / name)) for name in names}
    odd, waits = [file("/dev/zero"), file("/proc/self/mem")], file("/proc/kmsg")
    for found in (
        transport("local").visit(HERE, [*alone.values(), *every.values(), *odd, WHO], Bounds(100)),
        go(server.asset(), [*alone.values(), *every.values(), *odd, waits, WHO], Bounds(100)),
    ):
        said = {probe: reply.problem for probe, reply in found.items() if probe != WHO}
        assert said.pop(every["circle"]) or found[every["circle"]].text == "{}", "it leads to no file, as for everybody"
        assert set(said.values()) <= {"failed", "truncated", "timed-out", "absent", "denied"}, said
        assert (found[alone["pipe"]].problem, found[every["sparse"]].problem) == ("failed", "truncated")
        assert found[WHO].problem is None


@pytest.mark.fault("T20")
def test_a_file_that_is_replaced_over_and_over_is_read_as_one_of_its_states(tmp_path: Path) -> None:
    path, over = tmp_path / "conf", threading.Event()
    states = ["a = 1\n" * 20_000, "b = 2\n" * 30_000]
    path.write_text(states[0])

    def replace() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            fresh = tmp_path / f"fresh{turn % 2}"
            fresh.write_text(states[turn % 2])
            fresh.replace(path)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(10):
            probes = [file(str(path)), files(str(path)), stat(str(path))]
            found = transport("local").visit(HERE, probes, Bounds(60))
            texts = [found[probes[0]], found[probes[1]]]
            assert texts[0].problem or texts[0].text in states
            assert texts[1].problem or json.loads(texts[1].text)[str(path)] in states
            assert {reply.problem for reply in found.values()} <= {None, "failed"}
    finally:
        over.set()
        writer.join()


@pytest.mark.fault("T26")
def test_programs_aliases_and_functions_of_the_login_answer_no_question() -> None:
    """A lie costs more than a word in a home folder: programs are taken from the system's own folders alone."""
    asked = [sh("uname -s"), sh("command -v dpkg || command -v rpm"), WHO, stat("/etc/passwd")]
    with sshd(PermitUserEnvironment="yes") as running:
        honest = go(running.asset(user="chatty", sudo="never"), asked)
        home = running.folder / "home" / "chatty"
        (home / "bin").mkdir()
        (home / ".ssh").mkdir()
        for name in ("uname", "dpkg", "rpm", "id", "stat", "head", "cat", "timeout", "renice", "gzip", "sudo"):
            (home / "bin" / name).write_text("#!/bin/sh\necho a lie\n")
            (home / "bin" / name).chmod(0o755)
        path = f"PATH={home}/bin:/usr/bin:/bin"
        (home / ".ssh" / "environment").write_text(f"{path}\nENV={home}/lies\nBASH_ENV={home}/lies\n")
        lies = f"export {path}\nalias uname='echo a lie'\nuname() {{ echo a lie; }}\nid() {{ echo a lie; }}\n"
        for name in ("lies", ".bashrc", ".profile", ".bash_profile"):
            (home / name).write_text(lies)
        assert go(running.asset(user="chatty", sudo="never"), asked) == honest


@pytest.mark.fault("T18")
def test_a_million_users_and_packages_are_counted_within_bounds_or_cut_and_never_passed(tmp_path: Path) -> None:
    users = tmp_path / "passwd"
    with users.open("w") as made:
        made.writelines(f"user{n}:x:{n}:{n}::/home/user{n}:/bin/sh\n" for n in range(1_000_000))
    cut, whole = file(str(users)), sh(f"cat {users}", max_bytes=63 << 20)
    found = transport("local").visit(HERE, [cut, whole, WHO], Bounds(100))
    assert found[cut].problem == "truncated"
    assert found[whole].text.count("\n") == 1_000_000
    assert found[WHO].text == "root\n"


VISIT = """
import json, sys
from checks.linux.network import LISTENING
from checks.linux.selinux import LABELS
from tests.live.test_ssh_faults import HERE, WHO
from scanner.transports import Bounds, transport
asked = (LISTENING.probe, LABELS.probe, WHO)
found = transport("local").visit(HERE, asked, Bounds(60))
print(json.dumps([[found[one].problem, len(found[one].text)] for one in asked]))
"""


@pytest.mark.fault("T18")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can put another program in the place of ss")
@pytest.mark.parametrize("program", ["ss", "ps"])
def test_a_million_sockets_or_processes_are_cut_and_the_rest_is_answered(tmp_path: Path, program: str) -> None:
    """The shipped probes ask a program in the place of ss or ps that ends well, in a mount namespace of its own."""
    where, line = shutil.which(program), "tcp LISTEN 0 128 127.0.0.1:22 0.0.0.0:*" if program == "ss" else "a:b:c:d sh"
    assert where
    (tmp_path / program).write_text(f"#!/bin/sh\nyes '{line}' | head -n 1000000\n")
    (tmp_path / program).chmod(0o755)
    inside = f'mount --bind "$1" {where} && exec "$2" -c "$3"'
    words = ["unshare", "-m", "sh", "-c", inside, "sh", str(tmp_path / program), sys.executable, VISIT]
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=90, check=True)
    sockets, labels, who = json.loads(done.stdout)
    cut = sockets if program == "ss" else labels
    assert cut[0] == "truncated"
    assert cut[1] <= max(LISTENING.probe.max_bytes, LABELS.probe.max_bytes)
    assert who == [None, len("root\n")]
