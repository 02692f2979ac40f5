"""The order of versions held against apt's and rpm's own libraries, on a million pairs of each drawn at random.

    python benchmarks/version_orders.py [pairs] [seed]

Exit code 1 where a pair is ordered differently, where dpkg takes what was refused or refuses what was taken, or where
apt (python3-apt) or rpm (4.17 or later) is missing.
"""

from __future__ import annotations

import sys
import time

from scanner.threats.versions import deb_key, rpm_key
from tests import version_orders as orders

ASKED_OF_DPKG = 1000


def _apt(number: int, seed: int) -> bool:
    """Whether all is as apt and dpkg have it."""
    wrong, refused = _compared("apt", number, seed)
    pairs = orders.debian_pairs(seed + 1)
    valid = [one for one, _ in (next(pairs) for _ in range(ASKED_OF_DPKG)) if orders.takes(deb_key, one)]
    lax = [one for one in valid if not orders.dpkg_takes(one)]
    # dpkg reads an epoch with strtol, which takes a sign; deb-version(7) does not
    strict = [one for one in refused[:ASKED_OF_DPKG] if not one.startswith("+") and orders.dpkg_takes(one)]
    print(f"dpkg: refuses {len(lax)} of {len(valid)} that were taken, takes {len(strict)} of those refused")
    return not (wrong or lax or strict)


def _compared(name: str, number: int, seed: int) -> tuple[int, list[str]]:
    pairs, key, says = {
        "apt": (orders.debian_pairs, deb_key, orders.apt_says),
        "rpm": (orders.rpm_pairs, rpm_key, orders.rpm_says),
    }[name]
    started = time.monotonic()
    wrong, refused = orders.differences(pairs(seed), number, key, says)
    took_s = time.monotonic() - started
    print(f"{name}: {len(wrong)} differences in {number} pairs, {len(refused)} refused, {took_s:.0f} s")
    for found in wrong[:10]:
        print(f"  {found}")
    return len(wrong), refused


def main() -> None:
    number, seed = (int(word) for word in [*sys.argv[1:], *("1000000", "7")[len(sys.argv) - 1 :]][:2])
    missing = [why for why in (orders.why_no_apt(), orders.why_no_rpm()) if why]
    if missing:
        sys.exit(f"not compared: {', '.join(missing)}")
    same = [_apt(number, seed), not _compared("rpm", number, seed)[0]]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
