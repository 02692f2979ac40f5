"""A jail for the programs of a root file system that may be hostile. Run as a script: jail.py TOKEN DIR CPU_S.

Inside there is only DIR, read-only, with an empty /dev but for /dev/null. Its programs see no process, network,
System V IPC or host name but their own, hold one capability (to read files whatever their mode) and can gain none,
and cannot open sockets, kernel keys or files by handle, which would reach around the root directory.

Three processes: the outer one in the caller's process group; the first of the new process namespace, with whose end
the kernel kills everything inside, whatever it has done to hide; and the root's own /bin/sh. What goes wrong before
that shell runs is written to standard error as one line `TOKEN words`; the programs inside never learn the token.

This file imports nothing of Riskline: it runs alone, in an interpreter without site-packages.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import NoReturn

# <linux/sched.h>, <sys/mount.h>, <linux/mount.h>, <linux/prctl.h>, <linux/capability.h>
_NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000  # mount, UTS, IPC, PID, network
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_DETACH = 2
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_SET_PDEATHSIG, _CAPBSET_DROP, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 1, 24, 22, 38
_CAP_DAC_READ_SEARCH = 2
_CAPABILITIES = 0x20080522  # version 3 of the header of capset(2)

_VIRTUAL = {"proc", "sysfs", "devtmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs"}
_MAX_MEMORY_BYTES = 4 << 30
_MAX_PROCESSES = 500

# AUDIT_ARCH_* -> socket, add_key, request_key, keyctl, open_by_handle_at, io_uring_setup, and socketcall where it is
_DENIED: dict[str, dict[int, tuple[int, ...]]] = {
    "x86_64": {
        0xC000003E: (41, 248, 249, 250, 304, 425),
        0x40000003: (359, 286, 287, 288, 342, 425, 102),
    },
    "aarch64": {
        0xC00000B7: (198, 217, 218, 219, 265, 425),
        0x40000028: (281, 309, 310, 311, 371, 425),
    },
}
_X32 = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def main(token: str, root: str, cpu_s: str) -> NoReturn:
    """Make the jail and run its /bin/sh with our standard streams; the exit status is the shell's."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    try:
        _call("unshare", ctypes.c_int(_NEW_NAMESPACES))
    except OSError as error:
        _give_up(
            token, f"denied the system does not let us make namespaces ({error.strerror}); CAP_SYS_ADMIN is needed"
        )
    first = os.fork()
    if not first:
        _prctl(_SET_PDEATHSIG, signal.SIGKILL)
        _first_process(token, root, int(cpu_s))
    _, status = os.waitpid(first, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 255)


def _first_process(token: str, root: str, cpu_s: int) -> NoReturn:
    try:
        processes = _mount(root)
    except OSError as error:
        _give_up(token, f"{'denied' if error.errno == errno.EPERM else 'failed'} mounting {root}: {error.strerror}")
    except ValueError as error:
        _give_up(token, f"unsupported {error}")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    shell = os.fork()
    if not shell:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        _become_prisoner(token, cpu_s, processes)
    while True:
        _reap(shell)
        # the kernel exempts root from RLIMIT_NPROC
        if len(os.listdir(processes)) > _MAX_PROCESSES:  # noqa: PTH208 - mounted nowhere, so it has no path
            _give_up(token, f"failed its programs started more than {_MAX_PROCESSES} processes")
        signal.sigtimedwait({signal.SIGCHLD}, 0.2)


def _reap(shell: int) -> None:
    """Wait for the children that have ended; ours ends with the shell, and with it all others."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == shell:
            os._exit(os.waitstatus_to_exitcode(status) & 255)
        if not pid:
            return


def _mount(root: str) -> int:
    """DIR over itself with what is mounted in it, read-only; what shows a kernel is taken out; /dev/null.

    Gives a descriptor of a /proc of the new namespace that is mounted nowhere.
    """
    _call("mount", b"none", b"/", None, ctypes.c_ulong(_REC | _PRIVATE), None)
    place = os.fsencode(root)
    _call("mount", place, place, None, ctypes.c_ulong(_BIND | _REC), None)
    for inside, kind in _mounted_below(place):
        if kind in _VIRTUAL:
            _unmount(inside)
    _lock_down(place)
    os.chdir(root)
    # a link could lead our mount anywhere on this machine
    if not Path("dev").is_dir() or Path("dev").is_symlink():
        raise ValueError("this root has no folder /dev, where its shell needs /dev/null; make an empty one")
    _call("mount", b"none", b"dev", b"proc", ctypes.c_ulong(_NOSUID | _NODEV | _NOEXEC), None)
    processes = os.open("dev", os.O_DIRECTORY)
    _call("umount2", b"dev", ctypes.c_int(_DETACH))
    _call("mount", b"none", b"dev", b"tmpfs", ctypes.c_ulong(_NOSUID | _NOEXEC), b"size=16k,mode=755")
    Path("dev/null").touch()
    _call("mount", b"/dev/null", b"dev/null", None, ctypes.c_ulong(_BIND), None)
    _call("mount", None, b"dev", None, ctypes.c_ulong(_REMOUNT | _BIND | _RDONLY | _NOSUID | _NOEXEC), None)
    os.chroot(".")
    os.chdir("/")
    return processes


def _unmount(place: bytes) -> None:
    try:
        _call("umount2", place, ctypes.c_int(_DETACH))
    except OSError as error:
        if error.errno != errno.EINVAL:  # a mount that ours has covered is listed at the same place, and not there
            raise


def _mounted_below(place: bytes) -> list[tuple[bytes, str]]:
    """(mount point, type) of what is mounted at `place` and below, the deepest first. Source: proc(5), mountinfo."""
    found = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        point = before.split(b" ")[4]
        for code in (b"\\040", b"\\011", b"\\012", b"\\134"):
            point = point.replace(code, bytes([int(code[1:], 8)]))
        if point == place or point.startswith(place.rstrip(b"/") + b"/"):
            found.append((point, after.split(b" ")[0].decode()))
    return found[::-1]


def _lock_down(place: bytes) -> None:
    """Read-only, no set-uid, no devices, for the mount and all below; one by one on kernels before 5.12."""
    attributes = struct.pack("QQQQ", _RDONLY | _NOSUID | _NODEV, 0, 0, 0)
    if not _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, place, _AT_RECURSIVE, attributes, len(attributes)):
        return
    for inside, _ in _mounted_below(place):
        flags = ctypes.c_ulong(_REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
        _call("mount", None, inside, None, flags, None)


def _become_prisoner(token: str, cpu_s: int, processes: int) -> NoReturn:
    try:
        worth = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=processes)
        os.write(worth, b"1000")  # where memory runs out, the kernel ends this first
        os.close(worth)
        os.setgroups([])
        os.setsid()
        _limit(cpu_s)
        _drop_capabilities()
        forbid(_DENIED[platform.machine()])
    except OSError as error:
        _give_up(token, f"failed the jail could not be closed: {error.strerror}")
    try:
        os.execve("/bin/sh", ["/bin/sh", "-s"], dict(os.environ))  # noqa: S606 - the root's shell is what is asked for
    except OSError as error:
        why = {
            errno.ENOEXEC: "its /bin/sh is a program for another processor",
            errno.ENOENT: "it has no /bin/sh that could be started",
        }.get(error.errno or 0, f"its /bin/sh cannot be started: {error.strerror}")
        _give_up(token, f"unsupported {why}")


def _limit(cpu_s: int) -> None:
    for what, most in {
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_NOFILE: 1024,
        resource.RLIMIT_AS: _MAX_MEMORY_BYTES,
    }.items():
        resource.setrlimit(what, (most, most))


def _drop_capabilities() -> None:
    for capability in range(64):
        if capability != _CAP_DAC_READ_SEARCH and _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0):
            if ctypes.get_errno() == errno.EINVAL:  # behind the last one that this kernel knows
                break
            raise OSError(ctypes.get_errno(), "a capability cannot be dropped")
    keep = 1 << _CAP_DAC_READ_SEARCH
    _call("capset", struct.pack("Ii", _CAPABILITIES, 0), struct.pack("6I", keep, keep, 0, 0, 0, 0))


def forbid(denied: dict[int, tuple[int, ...]]) -> None:
    """Install a seccomp filter: the listed system calls are refused, and other processors' calls altogether."""
    _prctl(_SET_NO_NEW_PRIVS, 1)
    program = _filter(denied)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _prctl(_SET_SECCOMP, 2, ctypes.create_string_buffer(header, len(header)))


def _filter(denied: dict[int, tuple[int, ...]]) -> bytes:
    """A classic BPF program over struct seccomp_data (system call at offset 0, architecture at 4)."""
    refuse = _step(0x06, 0x00050000 | errno.EACCES)
    allow = _step(0x06, 0x7FFF0000)
    program = _step(0x20, 4)
    for architecture, numbers in denied.items():
        part = _step(0x20, 0)
        if architecture == 0xC000003E:
            part += _step(0x35, _X32, otherwise=1) + refuse
        for number in numbers:
            part += _step(0x15, number, otherwise=1) + refuse
        part += allow
        program += _step(0x15, architecture, otherwise=len(part) // 8) + part
    return program + _step(0x06, 0x80000000)


def _step(code: int, value: int, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, 0, otherwise, value)


def _prctl(option: int, *words: object) -> None:
    _call("prctl", ctypes.c_int(option), *words, *[ctypes.c_ulong(0)] * (4 - len(words)))


def _call(name: str, *words: object) -> None:
    if getattr(_libc, name)(*words) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _give_up(token: str, words: str) -> NoReturn:
    os.write(2, f"\n{token} {words}\n".encode(errors="replace"))
    os._exit(1)


def is_supported() -> bool:
    """Whether this machine's system calls are known here: an incomplete filter would be no jail."""
    return sys.platform == "linux" and platform.machine() in _DENIED


if __name__ == "__main__":
    main(*sys.argv[1:4])
