"""The order of versions held against apt's and rpm's own libraries, on pairs drawn at random.

apt is asked through the system's own Python (package python3-apt), rpm through its Lua (package rpm).
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from scanner.errors import Unparsable

Pair = tuple[str, str]
SYSTEM_PYTHON = "/usr/bin/python3"
AT_ONCE = 100_000
_DEB_PIECES = (
    "0", "1", "01", "10", "9", "00", "a", "b", "z", "A", "Z", "~", "~~", "+", ".", "..", "-", "rc", "git", "dfsg", ".1",
    ".10", "deb12u", "+b", "+deb12u1", "~bpo12+1", "2023", "20231004", "4294967296", "99999999999999999999",
)  # fmt: skip
_RPM_PIECES = (
    "0", "1", "01", "10", "9", "00", "a", "b", "z", "A", "Z", "~", "~~", "^", "^^", "+", ".", "..", "_", "rc", "git",
    "xyz", ".1", ".10", "el9", ".el9_4", "module_el8+1", "^20231004", "~rc1", "20231004", "99999999999999999999",
)  # fmt: skip
_ASK_APT = """
import sys, apt_pkg
apt_pkg.init_system()
for line in sys.stdin:
    one, other = line.rstrip("\\n").split("\\t")
    order = apt_pkg.version_compare(one, other)
    sys.stdout.write("<" if order < 0 else ">" if order > 0 else "=")
"""
_ASK_RPM = r"""
for line in io.lines("%s") do
  local one, other = line:match("([^\t]*)\t(.*)")
  local a, b = rpm.ver(one), rpm.ver(other)
  if a < b then print("<") elseif b < a then print(">") else print("=") end
end
"""


def _drawn(chance: random.Random, pieces: Sequence[str], ends: Sequence[str], starts: str) -> str:
    epoch = chance.choice(("", "", "", "0:", "1:", "01:", "10:"))
    body = "".join(chance.choice(pieces) for _ in range(chance.randint(0, 6)))
    return f"{epoch}{chance.choice(starts)}{body}{chance.choice(ends)}"


def _mutated(chance: random.Random, version: str, pieces: Sequence[str]) -> str:
    """The same with a piece put in, taken out or replaced: neighbours show more than strangers."""
    at, kept = chance.randint(0, len(version)), chance.randint(0, 2)
    return version[:at] + (chance.choice(pieces) if chance.random() < 0.8 else "") + version[at + kept :]


def _pairs(chance: random.Random, pieces: Sequence[str], ends: Sequence[str], starts: str) -> Iterator[Pair]:
    while True:
        one = _drawn(chance, pieces, ends, starts)
        near = chance.random() < 0.7
        yield one, _mutated(chance, one, pieces) if near else _drawn(chance, pieces, ends, starts)


def debian_pairs(seed: int) -> Iterator[Pair]:
    """Without end; some of them are no Debian versions."""
    return _pairs(random.Random(seed), _DEB_PIECES, ("", "-0", "-1", "-1+b1", "-2~", "-1.1", "-0ubuntu1.2"), "0129")


def rpm_pairs(seed: int) -> Iterator[Pair]:
    """Without end; all have a release, as every package has."""
    ends = ("-0", "-1", "-1.el9", "-2.el9_4.1", "-1~", "-1^git1", "-01.fc40")
    return _pairs(random.Random(seed), _RPM_PIECES, ends, "0129av")


def apt_says(pairs: Sequence[Pair]) -> str:
    """One of '<', '=', '>' for each pair, by libapt-pkg."""
    text = "".join(f"{one}\t{other}\n" for one, other in pairs)
    words = [SYSTEM_PYTHON, "-c", _ASK_APT]
    return subprocess.run(words, input=text, capture_output=True, check=True, text=True).stdout


def rpm_says(pairs: Sequence[Pair]) -> str:
    """One of '<', '=', '>' for each pair, by librpm."""
    with tempfile.NamedTemporaryFile("w", prefix="riskline-versions-") as file:
        file.write("".join(f"{one}\t{other}\n" for one, other in pairs))
        file.flush()
        words = ["rpm", "--eval", f"%{{lua: {_ASK_RPM % file.name}}}"]
        said = subprocess.run(words, capture_output=True, check=True, text=True).stdout
    return "".join(said.split())


@cache
def why_no_apt() -> str:
    """What is missing to ask apt; "" where nothing is."""
    if not Path(SYSTEM_PYTHON).exists() or not shutil.which("dpkg"):
        return "needs Debian's own python3 and dpkg"
    done = subprocess.run([SYSTEM_PYTHON, "-c", "import apt_pkg"], capture_output=True, check=False)
    return "needs python3-apt" if done.returncode else ""


@cache
def why_no_rpm() -> str:
    """What is missing to ask rpm (4.17 or later); "" where nothing is."""
    if not shutil.which("rpm"):
        return "needs rpm"
    done = subprocess.run(
        ["rpm", "--eval", '%{lua: print(rpm.ver("1") < rpm.ver("2"))}'], capture_output=True, check=False
    )
    return "" if done.stdout.strip() == b"true" else "needs rpm 4.17 or later"


def differences(
    pairs: Iterator[Pair], number: int, key: Callable[[str], bytes], says: Callable[[Sequence[Pair]], str]
) -> tuple[list[tuple[str, str, str, str]], list[str]]:
    """(one, other, ours, theirs) where the order differs, over `number` valid pairs; and all that was refused."""
    wrong: list[tuple[str, str, str, str]] = []
    refused: list[str] = []
    done = 0
    while done < number:
        batch: list[Pair] = []
        ours: list[str] = []
        while len(batch) < min(AT_ONCE, number - done):
            one, other = next(pairs)
            keys = [_key_or_none(key, version) for version in (one, other)]
            refused += [version for version, found in zip((one, other), keys, strict=True) if found is None]
            if keys[0] is not None and keys[1] is not None:
                batch.append((one, other))
                ours.append("<" if keys[0] < keys[1] else ">" if keys[0] > keys[1] else "=")
        theirs = says(batch)
        if len(theirs) != len(batch):
            raise RuntimeError(f"{len(theirs)} answers to {len(batch)} pairs")
        wrong += [(*pair, a, b) for pair, a, b in zip(batch, ours, theirs, strict=True) if a != b]
        done += len(batch)
    return wrong, refused


def _key_or_none(key: Callable[[str], bytes], version: str) -> bytes | None:
    try:
        return key(version)
    except Unparsable:
        return None


def takes(key: Callable[[str], bytes], version: str) -> bool:
    """Whether a version has a place in our order."""
    return _key_or_none(key, version) is not None


def dpkg_takes(version: str) -> bool:
    """Whether dpkg holds it to be a version."""
    done = subprocess.run(["dpkg", "--validate-version", version], capture_output=True, check=False)
    return done.returncode == 0
