"""Roots at rest in the jail: what is read of them, which cannot be asked, and what a hostile one can do: nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat as modes
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from scanner import file, files, sh, stat, visit
from scanner.catalogue import Catalogue
from scanner.errors import TargetError, Unreachable, VisitFailed
from scanner.model import Access, Asset, Chroot, Inventory, Probe, Reply
from scanner.plan import make_plan
from scanner.transports import Bounds, transport
from scanner.transports.posix import Batch
from scanner.transports.process import run
from tests.faulty_disk import mounted

from .roots import ENVIRONMENT, debian_root, overlaid, why_not

BUSYBOX = shutil.which("busybox") or ""
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make the jail"),
    pytest.mark.skipif(not BUSYBOX, reason="needs a static busybox to make roots of (Debian: busybox-static)"),
]
LOOK = sh("echo looked")


def go(root: Path | str, probes: Sequence[Probe] = (LOOK,), bounds: Bounds | None = None) -> Mapping[Probe, Reply]:
    asset = Asset("root", access=Access(chroot=Chroot(str(root))))
    return transport("chroot").visit(asset, probes, bounds or Bounds(60))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small root of its own."""
    top = tmp_path / "root"
    for name in ("bin", "dev", "etc", "tmp", "proc"):
        (top / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, top / "bin/busybox")
    for name in subprocess.run([BUSYBOX, "--list"], capture_output=True, check=True, text=True).stdout.split():
        if name != "busybox":
            (top / "bin" / name).symlink_to("busybox")
    (top / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    return top


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_are_read_with_their_owners_whatever_their_mode(root: Path) -> None:
    (root / "etc/secret").write_text("kept\n")
    os.chown(root / "etc/secret", 1234, 4321)
    (root / "etc/secret").chmod(0)
    (root / "etc/hidden").mkdir(mode=0o700)
    (root / "etc/hidden/in").write_text("x")
    os.chown(root / "etc/hidden", 1234, 4321)
    (root / "etc/link").symlink_to("/etc/passwd")
    expected: dict[Probe, str] = {
        file("/etc/secret"): "kept\n",
        file("/etc/hidden/in", sudo=True): "x",
        file("/etc/link"): "root:x:0:0::/:/bin/sh\n",
        files("/etc/hidden/*"): '{"/etc/hidden/in": "x"}',
        sh("id -u; hostname | grep -c . ; pwd", sudo=True, ok=(0, 1)): "0\n1\n/\n",
    }
    found = go(root, [*expected, stat("/etc/secret"), file("/etc/shadow"), sh("x", of="sshd"), visit("host-key")])
    assert {probe.key: found[probe].text for probe in expected} == {p.key: text for p, text in expected.items()}
    assert '["0", "1234", "4321"' in found[stat("/etc/secret")].text
    absent = [file("/etc/shadow"), sh("x", of="sshd"), visit("host-key")]
    assert {found[probe].problem for probe in absent} == {"absent"}


def test_what_needs_a_running_system_is_not_answered_even_where_proc_is_mounted(root: Path) -> None:
    running = [sh("cat /proc/version", running=True), file("/proc/sys/kernel/ostype", running=True)]
    with mounted("proc", root / "proc"):
        found = go(root, [*running, sh("ls /proc | wc -l")])
    assert {found[probe].problem for probe in running} == {"not-running"}
    assert found[sh("ls /proc | wc -l")].text == "0\n"


def test_what_is_mounted_inside_is_seen_and_read_only(root: Path) -> None:
    with mounted("tmpfs", root / "tmp"):
        (root / "tmp/inside").write_text("seen")
        write = sh("echo x >/tmp/written", ok=(0, 1, 2))
        found = go(root, [file("/tmp/inside"), write])
        assert found[file("/tmp/inside")].text == "seen"
        assert sorted(path.name for path in (root / "tmp").iterdir()) == ["inside"]


def test_large_and_endless_output_stay_within_their_bounds(root: Path) -> None:
    large, endless = sh("seq 1 150000"), sh("yes", timeout_s=20, max_bytes=50_000)
    found = go(root, [large, endless, LOOK])
    assert found[large].text.endswith("\n150000\n")
    assert (found[endless].problem, found[LOOK].text) == ("truncated", "looked\n")


def test_links_to_the_root_are_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert go(tmp_path / "link")[LOOK].text == "looked\n"


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
def test_a_debian_root_answers_as_debian(tmp_path: Path) -> None:
    packages = sh("dpkg-query -W -f '${Package}\\n' libc6 dash", of="dpkg-query")
    probes = [
        packages,
        file("/etc/os-release"),
        file("/etc/shadow", sudo=True),
        files("/etc/pam.d/*"),
        sh("rpm", of="rpm"),
    ]
    found = go(debian_root("openssh-server"), probes)
    assert found[packages].text == "dash\nlibc6\n"
    assert "VERSION_CODENAME=bookworm" in found[probes[1]].text
    assert found[probes[2]].text.startswith("root:")
    assert "pam_unix.so" in found[probes[3]].text
    assert found[probes[4]].problem == "absent"


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
@pytest.mark.fault("T27")
def test_the_jail_changes_no_answer_of_the_shipped_baseline() -> None:
    debian = debian_root("openssh-server")
    asset = Asset("root", access=Access(chroot=Chroot(str(debian))), baselines=("debian-12",))
    (planned,) = make_plan(Inventory("lab", (asset,)), Catalogue()).assets
    probes = planned.visits["chroot"]
    batch = Batch(probes, sudo=False, at_rest=True)
    with overlaid(debian) as free:
        subprocess.run(["mount", "--bind", "/dev/null", free / "dev/null"], check=True)
        try:
            answer = run(["chroot", str(free), "/bin/sh", "-s"], batch.script, Bounds(120), ENVIRONMENT)
        finally:
            subprocess.run(["umount", free / "dev/null"], check=True)
    unjailed, jailed = batch.replies(*answer), go(debian, probes, Bounds(120))
    assert {p.key: jailed[p] for p in probes if _unordered(jailed[p]) != _unordered(unjailed[p])} == {}
    assert sum(reply.problem is None for reply in jailed.values()) > 20


def _unordered(reply: Reply) -> tuple[str | None, list[str]]:
    """A reply without what differs by itself: the order of folders, what is in /dev, and how much a walk saw in all."""
    lines = reply.text.split("\n")
    return reply.problem, sorted(line for line in lines if " /dev/" not in line and not line.startswith(("E ", "Z ")))


# ── roots that cannot be asked ───────────────────────────────────────────────────────────────────────────────────────


def refusal(root: Path | str) -> TargetError:
    with pytest.raises(TargetError) as refused:
        go(root)
    return refused.value


def test_a_root_without_a_shell_is_unsupported_and_says_so(root: Path) -> None:
    (root / "bin/sh").unlink()
    error = refusal(root)
    assert (error.problem, "no /bin/sh" in str(error)) == ("unsupported", True)


def test_a_root_of_another_processor_is_unsupported_and_says_so(root: Path) -> None:
    program = bytearray((root / "bin/busybox").read_bytes())
    program[18:20] = b"\x08\x00"  # e_machine: MIPS
    (root / "bin/busybox").write_bytes(program)
    error = refusal(root)
    assert (error.problem, "another processor" in str(error)) == ("unsupported", True)


def test_a_shell_that_is_no_program_is_unsupported(root: Path) -> None:
    (root / "bin/sh").unlink()
    (root / "bin/sh").mkdir()
    assert refusal(root).problem == "unsupported"


def test_this_machine_s_own_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    for path in ("/", tmp_path / "link", "/etc/.."):
        assert "use `local: {}`" in str(refusal(path))


def test_a_folder_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    for name in ("none", "loop", "file", "file/x"):
        with pytest.raises(Unreachable):
            go(tmp_path / name)


def test_without_root_the_reason_is_told_and_nothing_is_started(root: Path) -> None:
    os.seteuid(65534)
    try:
        error = refusal("/var")
    finally:
        os.seteuid(0)
    assert (error.problem, "use sudo" in str(error)) == ("denied", True)


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv to give a capability away")
def test_where_namespaces_are_forbidden_the_missing_right_is_named(root: Path) -> None:
    program = (
        "from scanner.transports import Bounds, chroot; from scanner.model import *\n"
        f"try: chroot.visit(Asset('r', access=Access(chroot=Chroot({str(root)!r}))), [], Bounds(20))\n"
        "except Exception as error: print(error.problem, error)"
    )
    command = ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.startswith("denied"), done.stderr
    assert "CAP_SYS_ADMIN" in done.stdout


# ── hostile roots ────────────────────────────────────────────────────────────────────────────────────────────────────


def snapshot(top: Path) -> dict[str, tuple[int, int, int, int]]:
    """Everything below a folder: name -> mode, owner, size, time of last change."""
    found = {str(path): path.lstat() for path in sorted(top.rglob("*"))}
    return {name: (is_.st_mode, is_.st_uid, is_.st_size, is_.st_mtime_ns) for name, is_ in found.items()}


def mounts(below: Path) -> list[str]:
    """Mount points of this machine below a folder, and those at /dev; other tests mount elsewhere at the same time."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{below}/") or point == "/dev"]


def still_running(name: str) -> list[str]:
    """Command lines on this machine that hold a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [line] if name in line else []
    return found


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc to compile the attacks")
def test_nothing_that_a_hostile_root_tries_succeeds(root: Path) -> None:
    source = Path(__file__).with_name("attack.c")
    subprocess.run(["gcc", "-static", "-w", "-o", root / "attack", source], check=True, capture_output=True)
    os.mknod(root / "device", modes.S_IFCHR | 0o666, os.makedev(1, 5))
    before, before_mounts, own_name = snapshot(root), mounts(root.parent), os.uname().nodename
    attack = sh(f"/attack {os.getpid()}")
    found = go(root, [attack, LOOK])
    assert found[attack].problem is None, found[attack].detail
    said = dict(line.split() for line in found[attack].text.splitlines())
    assert said.pop("alive") == "0"
    assert said.pop("capabilities") == "4.0", "it holds more than CAP_DAC_READ_SEARCH"
    denied = {errno.EPERM, errno.EACCES, errno.EROFS}
    harmless = {"kill-host": errno.ESRCH, "processes": errno.ENOENT}
    assert {name: int(number) for name, number in said.items() if name in harmless} == harmless
    assert {name for name, number in said.items() if name not in harmless and int(number) not in denied} == set()
    assert len(said) >= 19
    assert (snapshot(root), mounts(root.parent), os.uname().nodename) == (before, before_mounts, own_name)
    assert found[LOOK].text == "looked\n"


def test_what_a_hostile_shell_leaves_behind_dies_with_the_visit(root: Path) -> None:
    name = f"leftover{os.getpid()}"
    (root / "bin/sh").unlink()
    (root / "bin/sh").write_text(
        f"#!/bin/busybox sh\ntrap '' TERM HUP INT\n(setsid busybox sh -c 'trap \"\" TERM; sleep 999; : {name}' "
        ">/dev/null 2>&1 </dev/null &)\n" + f"exec busybox sh -c 'while :; do sleep 9; done; : {name}'\n"
    )
    (root / "bin/sh").chmod(0o755)
    with pytest.raises(VisitFailed, match="did not answer in time"):
        go(root, bounds=Bounds(2))
    for _ in range(100):  # the kernel takes a moment to end a namespace
        if not still_running(name):
            break
        subprocess.run(["sleep", "0.05"], check=True)
    assert still_running(name) == []


def test_a_root_that_kills_everything_it_can_reaches_nothing_outside(root: Path) -> None:
    with subprocess.Popen(["sleep", "300"]) as bystander:
        found = go(root, [sh("kill -9 -1; kill -9 1; echo x"), LOOK])
        assert bystander.poll() is None
        bystander.kill()
    assert all(reply.problem or reply.text for reply in found.values())


def test_a_root_that_multiplies_is_ended_long_before_the_deadline(root: Path) -> None:
    (root / "bin/sh").unlink()
    (root / "bin/sh").write_text("#!/bin/busybox sh\nwhile :; do busybox sleep 500 & done\n")
    (root / "bin/sh").chmod(0o755)
    with pytest.raises(VisitFailed, match="more than 500 processes"):
        go(root, bounds=Bounds(1000))


def test_a_folder_dev_that_leads_elsewhere_is_not_mounted_on(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "dev").rmdir()
    for target in (None, str(tmp_path / "elsewhere"), "/dev"):
        if target:
            (root / "dev").unlink(missing_ok=True)
            (root / "dev").symlink_to(target)
        before = mounts(tmp_path)
        error = refusal(root)
        assert (error.problem, "/dev" in str(error)) == ("unsupported", True)
        assert mounts(tmp_path) == before


def test_a_root_cannot_speak_for_the_jail(root: Path) -> None:
    (root / "bin/sh").unlink()
    (root / "bin/sh").write_text("#!/bin/busybox sh\nprintf '\\n%s denied by me\\n' \"$0\" >&2\nprintf x\n")
    (root / "bin/sh").chmod(0o755)
    error = refusal(root)
    assert (error.problem, "did not run /bin/sh" in str(error)) == ("failed", True)
