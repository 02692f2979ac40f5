"""The order of versions, held against apt, dpkg and rpm themselves where they are installed."""

from __future__ import annotations

import shutil

import pytest

from scanner.errors import Unparsable
from scanner.threats.versions import apk_key, deb_key, key_of, rpm_key

from . import version_orders as orders

PAIRS = 20_000
"""A million each are compared by benchmarks/version_orders.py."""


@pytest.mark.skipif(bool(orders.why_no_apt()), reason="needs apt's own order to compare with: python3-apt")
def test_debian_order_is_apts_own() -> None:
    wrong, refused = orders.differences(orders.debian_pairs(7), PAIRS, deb_key, orders.apt_says)
    assert wrong == []
    assert len(refused) > PAIRS / 100


@pytest.mark.skipif(bool(orders.why_no_rpm()), reason="needs rpm's own order to compare with: rpm 4.17 or later")
def test_rpm_order_is_rpms_own() -> None:
    wrong, refused = orders.differences(orders.rpm_pairs(7), PAIRS, rpm_key, orders.rpm_says)
    assert wrong == []
    assert len(refused) > PAIRS / 100


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg to compare with")
def test_what_is_a_debian_version_is_what_dpkg_takes() -> None:
    pairs = orders.debian_pairs(8)
    drawn = [version for _ in range(100) for version in next(pairs) if not version.startswith("+")]
    drawn += ["", "a1", "1_0", "1 0", "1:", ":1", "x:1", "1-", "2147483648:1", "1:2:3", "1-1-1"]
    assert {version for version in drawn if orders.takes(deb_key, version) != orders.dpkg_takes(version)} == set()


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0~rc1-1", "1.0-1"),
        ("1.0", "1.0a"),
        ("1.0a", "1.0+b"),
        ("1.9", "1.10"),
        ("9", "1:0"),
        ("6.1.192-2", "6.1.192+2"),
        ("1.0-1~bpo12+1", "1.0-1"),
    ],
)
def test_debian_versions_rise(lower: str, higher: str) -> None:
    assert deb_key(lower) < deb_key(higher)


@pytest.mark.parametrize(("one", "other"), [("1.0", "0:1.0-0"), ("1.0", "1.00"), ("1.0-1", "1.0-01"), ("1a", "1a0")])
def test_debian_versions_written_differently_are_equal(one: str, other: str) -> None:
    assert deb_key(one) == deb_key(other)


@pytest.mark.parametrize(
    "text", ["", "a1", "x:1", ":1", "1-", "1_0", "1 0", "-1", "1:", "1.0\n", "é1", "9" * 256, "2147483648:1", "²:1"]
)
def test_what_dpkg_refuses_is_refused(text: str) -> None:
    with pytest.raises(Unparsable):
        deb_key(text)


# Pairs of rpm's own test suite: tests/rpmvercmp.at.
@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0", "2.0"),
        ("2.0", "2.0.1"),
        ("2.0.1", "2.0.1a"),
        ("5.5p1", "5.5p2"),
        ("5.5p1", "5.5p10"),
        ("10xyz", "10.1xyz"),
        ("xyz10", "xyz10.1"),
        ("xyz.4", "8"),
        ("5.5p2", "5.6p1"),
        ("6.0", "6.0.rc1"),
        ("10a2", "10b2"),
        ("1.0~rc1", "1.0"),
        ("1.0~rc1~git123", "1.0~rc1"),
        ("1.0", "1.0^"),
        ("1.0^git1", "1.0^git2"),
        ("1.0^git1", "1.01"),
        ("1.0^20160101", "1.0.1"),
        ("1.0~rc1", "1.0~rc1^git1"),
        ("1.0^git1~pre", "1.0^git1"),
        ("a", "1"),
        ("9-9", "1:0-0"),
    ],
)
def test_rpm_versions_rise(lower: str, higher: str) -> None:
    assert rpm_key(lower) < rpm_key(higher)


@pytest.mark.parametrize(
    ("one", "other"), [("2_0", "2.0"), ("1.0", "1.0."), ("a", "a+"), ("1.010", "1.10"), ("1", "0:1")]
)
def test_rpm_versions_written_differently_are_equal(one: str, other: str) -> None:
    assert rpm_key(one) == rpm_key(other)


@pytest.mark.parametrize("text", ["", "-1", "1-", "x:1", "1 0", "1:", "1-1-1", "é"])
def test_what_rpm_refuses_is_refused(text: str) -> None:
    with pytest.raises(Unparsable):
        rpm_key(text)


def test_an_order_that_is_not_known_is_not_guessed() -> None:
    known = [key_of(name) for name in ("Debian:12", "AlmaLinux:9", "Red Hat:x", "SUSE:x", "Alpine:v3.20", "npm")]
    assert known == [deb_key, rpm_key, rpm_key, rpm_key, apk_key, None]


# What apk-tools documents and tests of its order: APKBUILD(5), test/version.data.
@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("0.1.0_alpha", "0.1.3_alpha"),
        ("1.0_alpha1", "1.0_beta1"),
        ("1.0_beta2", "1.0_pre1"),
        ("1.0_pre1", "1.0_rc1"),
        ("1.0_rc1", "1.0_rc2"),
        ("1.0_rc", "1.0_rc1"),
        ("1.0_rc9-r5", "1.0-r0"),
        ("1.0-r0", "1.0_p1-r0"),
        ("1.0_git20240101", "1.0_p1"),
        ("1.0_cvs1", "1.0_svn1"),
        ("1.0-r3", "1.0-r4"),
        ("1.0-r9", "1.0-r10"),
        ("1.0", "1.0-r0"),
        ("1.2.9", "1.2.10"),
        ("1.0.0.9", "1.0.1"),
        ("2.9", "10"),
        ("1.2", "1.2a"),
        ("1.2a", "1.2b"),
        ("1.2b", "1.2.1"),
        ("1.01", "1.1"),
        ("1.001", "1.01"),
        ("6.4_p20240101-r0", "6.4_p20240420-r0"),
    ],
)
def test_alpine_versions_rise(lower: str, higher: str) -> None:
    assert apk_key(lower) < apk_key(higher)
    assert apk_key(lower) == apk_key(lower)


@pytest.mark.parametrize("text", ["", "a1", "1_x", "1.", ".1", "1-1", "1-r", "1 0", "1.0_", "v1", "1.0~xyz", "é"])
def test_what_apk_refuses_is_refused(text: str) -> None:
    with pytest.raises(Unparsable):
        apk_key(text)
