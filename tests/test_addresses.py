"""The grammar of what may be looked at: it is all that stands between an inventory and a command line."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.addresses import Ports, expected, merged, ports, target, targets, without
from scanner.errors import UsageError


@pytest.mark.parametrize(
    ("text", "form", "family", "size"),
    [
        ("10.0.0.1", "address", 4, 1),
        ("2001:DB8::1", "address", 6, 1),
        ("10.0.0.0/22", "block", 4, 1024),
        ("10.0.0.7/32", "address", 4, 1),
        ("2001:db8::/118", "block", 6, 1024),
        ("Db-1.Example", "name", 0, 1),
        ("a_b", "name", 0, 1),
    ],
)
def test_addresses_blocks_and_names_are_told_apart(text: str, form: str, family: int, size: int) -> None:
    found = target(text)
    assert (found.form, found.family, found.size) == (form, family, size)


@pytest.mark.parametrize(
    "text",
    ["", "-oN", "a b", "10.0.0.1-50", "10.0.0.*", "10.0.0.0/21", "10.0.0.1/24", "::/0", "0.0.0.0", "224.0.0.1",
     "ff02::1", "fe80::1%eth0", "255.255.255.255", "a/b", "a,b", "a;b", "a\n", "é", "1e9",
     "x" * 64, "010.0.0.1", "@f", "a..b"],
)  # fmt: skip
@pytest.mark.fault("I3")
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        target(text)


@given(st.text(max_size=40))
def test_what_passes_holds_no_blank_and_begins_no_option(text: str) -> None:
    try:
        found = target(text)
    except UsageError:
        return
    assert found.text.isascii()
    assert found.text[0] != "-"
    assert not set(found.text) & set(" \t\r\n,;*@%$`\"'\\")


@pytest.mark.fault("N15")
def test_more_addresses_than_a_visit_can_end_with_are_refused() -> None:
    with pytest.raises(UsageError, match="split it"):
        targets(["10.0.0.0/22", "10.1.0.1"])


def test_ports_are_read_in_nmaps_own_notation() -> None:
    assert ports("top-100") == Ports(top=100)
    assert ports("top-100,8443,U:53,161") == Ports(top=100, tcp=((8443, 8443),), udp=((53, 53), (161, 161)))
    assert ports("22,80-81,82,U:161") == Ports(tcp=((22, 22), (80, 82)), udp=((161, 161),))
    assert (81, "tcp") in ports("80-90")
    assert (81, "udp") not in ports("80-90")


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "9-1", "-", "1-", "top-0", "top-70000", "22,top-9", "top-5,", "1 -oN x", "http*", "S:1"]
)
def test_ports_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ports(text)


def test_an_expected_port_names_its_protocol() -> None:
    assert expected("161/udp") == (161, "udp")
    for text in ("22", "22/sctp", "0/tcp", "ssh/tcp", "22/tcp "):
        with pytest.raises(UsageError):
            expected(text)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair)))))
def test_joined_ranges_hold_the_same_numbers_and_lie_apart(ranges: list[tuple[int, int]]) -> None:
    joined = merged(ranges)
    assert {n for low, high in joined for n in range(low, high + 1)} == {
        n for low, high in ranges for n in range(low, high + 1)
    }
    assert all(left[1] + 1 < right[0] for left, right in pairwise(joined))


@given(st.sets(st.integers(0, 15)))
def test_a_block_less_single_addresses_is_all_the_others(singles: set[int]) -> None:
    start = int(ip_address("10.0.0.16"))
    pieces = without("10.0.0.16/28", [str(ip_address(start + one)) for one in singles])
    left = {int(address) - start for piece in pieces for address in ip_network(piece)}
    assert left == set(range(16)) - singles
