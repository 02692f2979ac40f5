"""Feeds: what is whole comes in, what is not is refused, and the old one stays."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from scanner.model import utc_now
from scanner.threats import store
from scanner.threats.reading import Advisory, Bad, Exploited, FeedRefused, Limits, advisory, epss, kev
from scanner.threats.store import Form, Standing

from .bounded import bounded
from .feeds_of import NOW, archive, cve, ends_list, epss_list, kev_list, record


def many(number: int) -> list[dict[str, object]]:
    return [record(cve(n), "openssl", "3.0.11-1") for n in range(number)]


def taken(folder: Path, form: Form, file: Path, limits: Limits | None = None) -> Standing:
    return store.take(folder, form, form, file, NOW, limits or Limits())


def test_one_bad_record_is_listed_and_the_rest_used(tmp_path: Path) -> None:
    found = taken(tmp_path, "osv", archive(tmp_path / "a.zip", [*many(20), '{"id": "DEBIAN-CVE-2026-1"}']))
    assert (found.records, found.bad) == (20, 1)
    assert [one.name for one in store.bad_records(tmp_path, "osv")] == ["20.json"]


@pytest.mark.parametrize(
    "text",
    ["<html>", '{"id": NaN}', "[" * 100_000, "[]", "null", '{"id": 1, "modified": "2026-01-01", "affected": []}'],
)
def test_a_record_of_another_shape_is_listed(tmp_path: Path, text: str) -> None:
    assert taken(tmp_path, "osv", archive(tmp_path / "a.zip", [*many(3), text])).bad == 1


def bomb(path: Path) -> Path:
    return archive(path, [*many(3), " " * 50_000_000])


def cut(path: Path) -> Path:
    whole = archive(path, many(10)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def lying(path: Path) -> Path:
    """An archive whose directory says that an entry is shorter than it is."""
    whole = bytearray(archive(path, many(3)).read_bytes())
    at = whole.index(b"PK\x01\x02") + 24
    whole[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(whole)
    return path


def leading_outside(path: Path) -> Path:
    """The place of an entry, as the directory at the end tells it, lies before the beginning of the file."""
    whole = bytearray(archive(path, many(20)).read_bytes())
    at = whole.index(b"PK\x05\x06")
    size = int.from_bytes(whole[at + 12 : at + 16], "little")
    whole[at + 16 : at + 20] = (at - size + 4096).to_bytes(4, "little")
    path.write_bytes(whole)
    return path


def html(path: Path) -> Path:
    path.write_text("<!doctype html><title>200 OK</title>")
    return path


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (bomb, "unpacks to"),
        (cut, "not a whole zip"),
        (html, "not a whole zip"),
        (lying, "not a whole zip"),
        (leading_outside, "not a whole zip"),
        (lambda path: archive(path, many(2)), "2 records where there were 20"),
        (lambda path: archive(path, []), "no usable record"),
        (lambda path: archive(path, [*many(20), "x", "x", "x"]), "are amiss"),
        (lambda path: archive(path, [{**one, "modified": "2031-01-01T00:00:00Z"} for one in many(20)]), "future"),
        (lambda path: archive(path, [{**one, "modified": "2020-01-01T00:00:00Z"} for one in many(20)]), "it ends 2020"),
    ],
)
@pytest.mark.fault("I9")
def test_a_hostile_archive_is_refused_and_the_old_one_stays(tmp_path: Path, make: object, complaint: str) -> None:
    taken(tmp_path, "osv", archive(tmp_path / "good.zip", many(20)))
    before = store.path_of(tmp_path, "osv").read_bytes()
    with pytest.raises(FeedRefused, match=complaint):
        taken(tmp_path, "osv", make(tmp_path / "bad.zip"))  # type: ignore[operator]
    assert store.path_of(tmp_path, "osv").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_file_longer_than_allowed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused, match="longer than 10 bytes"):
        taken(tmp_path, "osv", archive(tmp_path / "a.zip", many(3)), replace(Limits(), max_bytes=10))


@pytest.mark.fault("I9")
@pytest.mark.parametrize("form", ["osv", "epss"])
def test_more_records_than_allowed_are_refused(tmp_path: Path, form: Form) -> None:
    made = archive(tmp_path / "a", many(40)) if form == "osv" else epss_list(tmp_path / "a", ROWS)
    with pytest.raises(FeedRefused, match="more than the 39 "):
        taken(tmp_path, form, made, replace(Limits(), max_records=39))
    assert taken(tmp_path, form, made, replace(Limits(), max_records=40)).records == 40


def test_names_in_an_archive_never_reach_the_disk(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("../../escaped.json", '{"id": 1}')
        for n in range(3):
            opened.writestr(f"/{n}.json", json.dumps(many(3)[n]))
    taken(tmp_path / "in" / "side", "osv", tmp_path / "a.zip")
    assert not list(tmp_path.rglob("escaped*"))


@pytest.mark.parametrize("content", [b"not a database", b""])
def test_a_damaged_store_is_replaced_by_the_next_whole_feed(tmp_path: Path, content: bytes) -> None:
    store.path_of(tmp_path, "osv").write_bytes(content)
    with pytest.raises(FeedRefused, match="feeds update"):
        store.standing(tmp_path, "osv")
    assert taken(tmp_path, "osv", archive(tmp_path / "a.zip", many(3))).records == 3


def test_rollback_brings_back_the_feed_before(tmp_path: Path) -> None:
    taken(tmp_path, "kev", kev_list(tmp_path / "1", ["CVE-2026-10001"]))
    taken(tmp_path, "kev", kev_list(tmp_path / "2", ["CVE-2026-10001", "CVE-2026-10002"]))
    assert store.rollback(tmp_path, "kev").records == 1
    with pytest.raises(FeedRefused, match="no earlier copy"):
        store.rollback(tmp_path, "kev")


def test_a_list_that_is_not_as_long_as_it_declares_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused, match="declares 1404 entries and has 1"):
        taken(tmp_path, "kev", kev_list(tmp_path / "k", ["CVE-2026-10001"], count=1404))


def test_the_list_of_exploited_flaws_is_read(tmp_path: Path) -> None:
    _, good, bad = kev(kev_list(tmp_path / "k", ["CVE-2026-10001", "GHSA-1"]), Limits())
    assert [(one.cve, one.ransomware) for one in good] == [("CVE-2026-10001", True)]
    assert isinstance(good[0], Exploited)
    assert [one.name for one in bad] == ["entry 1"]


def test_chances_in_scientific_notation_are_read(tmp_path: Path) -> None:
    found = taken(tmp_path, "epss", epss_list(tmp_path / "e", ["CVE-2026-10001,5e-05,0.01"]))
    with store.opened(store.path_of(tmp_path, "epss")) as db:
        assert db.execute("SELECT * FROM epss").fetchall() == [("CVE-2026-10001", 0.00005, 0.01)]
    assert (found.model, f"{found.newest_at:%Y-%m-%d}") == ("v2025.03.14", "2025-11-20")


@pytest.mark.parametrize("row", ["CVE-2026-10001,nan,0.1", "CVE-2026-10001,1.5,0.1", "x,0.1,0.1", "CVE-2026-10001,0.1"])
def test_a_chance_that_is_none_is_listed(tmp_path: Path, row: str) -> None:
    assert taken(tmp_path, "epss", epss_list(tmp_path / "e", ["CVE-2026-10002,0.1,0.1", row])).bad == 1


@pytest.mark.fault("I9")
def test_cut_scores_are_refused(tmp_path: Path) -> None:
    path = epss_list(tmp_path / "e", ["CVE-2026-10001,0.1,0.1"])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FeedRefused):
        taken(tmp_path, "epss", path)
    path.write_bytes(
        gzip.compress(b"#model_version:v1,score_date:2025-11-20\ncve,epss,percentile\nCVE-2026-10001,0.1,0.")
    )
    with pytest.raises(FeedRefused, match="not a whole list"):
        taken(tmp_path, "epss", path)


def test_a_stray_sign_in_a_score_costs_that_score_alone(tmp_path: Path) -> None:
    path = epss_list(tmp_path / "e", ["CVE-2026-10001,0.1,0.1", "CVE-2026\r10002,0.1,0.1", 'CVE-2026-10003,"0.1,0.1'])
    _, _, scores = epss(path, Limits())
    found = [one.name if isinstance(one, Bad) else one for one in scores]
    assert found == [("CVE-2026-10001", 0.1, 0.1), "CVE-2026\r10002,0.1,0.1", 'CVE-2026-10003,"0.1,0.1']


@pytest.mark.fault("I10")
def test_one_bad_record_among_forty_five_thousand_is_listed_and_the_rest_used(tmp_path: Path) -> None:
    head = '{"modified": "2025-11-01T10:00:00Z", "affected": [], "id": "DEBIAN-CVE-2026-'
    records = [f'{head}{10000 + n}"}}' for n in range(44_999)]
    found = taken(tmp_path, "osv", archive(tmp_path / "a.zip", [*records[:20_000], '{"id": 7}', *records[20_000:]]))
    assert (found.records, found.bad) == (44_999, 1)
    assert [one.name for one in store.bad_records(tmp_path, "osv")] == ["20000.json"]


CVES = [f"CVE-2026-{10000 + n}" for n in range(40)]
ROWS = [f"{name},0.1,0.1" for name in CVES]
ENDINGS: dict[str, list[tuple[str, str | None, str | None]]] = {
    f"product-{n}": [("1", "2026-06-10", None)] for n in range(40)
}


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def bytes_of(made: Path) -> bytes:
    return made.read_bytes()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda p: written(p, b"<!doctype html><title>200 OK</title>"), "not a list"),
        (lambda p: written(p, b""), "not a list"),
        (lambda p: written(p, b"[]"), "not a list"),
        (lambda p: written(p, b'{"dateReleased": NaN}'), "not a list"),
        (lambda p: written(p, bytes_of(kev_list(p, CVES))[:-200]), "not a list"),
        (lambda p: written(p, b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>'), "not a list"),
        (lambda p: kev_list(p, CVES[:4]), "4 records where there were 40"),
        (lambda p: kev_list(p, CVES, released="2031-01-01T00:00:00Z"), "in the future"),
        (lambda p: kev_list(p, CVES, released="2020-01-01T00:00:00Z"), "it ends 2020"),
        (lambda p: kev_list(p, CVES, count=41), "declares 41 entries and has 40"),
        (lambda p: kev_list(p, [*CVES, *["x"] * 9]), "9 of 49 records are amiss"),
        (lambda p: written(p, b"[" * 1_000_000), "not a list"),
    ],
)
@pytest.mark.fault("I9")
def test_a_hostile_list_of_exploited_flaws_is_refused_and_the_old_one_stays(
    tmp_path: Path, make: Callable[[Path], Path], complaint: str
) -> None:
    stays(tmp_path, "kev", kev_list(tmp_path / "good", CVES), make(tmp_path / "bad"), complaint)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda p: written(p, b"<!doctype html><title>200 OK</title>"), "not a whole list"),
        (lambda p: written(p, b""), "not a whole list"),
        (lambda p: written(p, bytes_of(epss_list(p, ROWS))[:-9]), "not a whole list"),
        (lambda p: epss_list(p, ROWS[:4]), "4 records where there were 40"),
        (lambda p: epss_list(p, [*ROWS, *["CVE-2026-10000,nan,0.1"] * 9]), "9 of 49 records are amiss"),
        (lambda p: epss_list(p, ROWS, scored="2031-01-01T00:00:00Z"), "in the future"),
        (lambda p: epss_list(p, ROWS, scored="2020-01-01T00:00:00Z"), "it ends 2020"),
        (lambda p: epss_list(p, ROWS, scored="yesterday"), "not a whole list"),
        (lambda p: written(p, gzip.compress(bytes(40_000_000))), "longer than|not a whole list"),
    ],
)
@pytest.mark.fault("I9")
def test_hostile_scores_are_refused_and_the_old_ones_stay(
    tmp_path: Path, make: Callable[[Path], Path], complaint: str
) -> None:
    limits = replace(Limits(), max_unpacked_bytes=20_000_000)
    stays(tmp_path, "epss", epss_list(tmp_path / "good", ROWS), make(tmp_path / "bad"), complaint, limits)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda p: written(p, b"<!doctype html><title>200 OK</title>"), "not a list"),
        (lambda p: written(p, bytes_of(ends_list(p, ENDINGS))[:-20]), "not a list"),
        (lambda p: ends_list(p, ENDINGS, total=41), "declares 41 products and has 40"),
        (lambda p: ends_list(p, dict(list(ENDINGS.items())[:4])), "4 records where there were 40"),
        (lambda p: ends_list(p, ENDINGS, made="2031-01-01T00:00:00Z"), "in the future"),
        (lambda p: ends_list(p, {**ENDINGS, **{f"x{n}": [("1", "soon", None)] for n in range(9)}}), "are amiss"),
    ],
)
def test_a_hostile_list_of_ends_is_refused_and_the_old_one_stays(
    tmp_path: Path, make: Callable[[Path], Path], complaint: str
) -> None:
    stays(tmp_path, "ends", ends_list(tmp_path / "good", ENDINGS), make(tmp_path / "bad"), complaint)


def stays(folder: Path, form: Form, good: Path, bad: Path, complaint: str, limits: Limits | None = None) -> None:
    taken(folder, form, good)
    before = store.path_of(folder, form).read_bytes()
    with pytest.raises(FeedRefused, match=complaint):
        taken(folder, form, bad, limits)
    assert store.path_of(folder, form).read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == sorted(["bad", "good", f"{form}.db"])


def packed_wrong(path: Path) -> Path:
    """Whole, but one byte in the middle is another: its own check sum (CRC) tells."""
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3] ^= 0xFF
    path.write_bytes(whole)
    return path


def puffed(path: Path) -> Path:
    """Scores that are sound line by line: 46 MB in 130 kB."""
    return epss_list(path, [ROWS[0]] * 2_000_000)


def doubled(path: Path) -> Path:
    return archive(path, [*many(2) * 10])


GOOD: dict[str, Callable[[Path], Path]] = {
    "Debian": lambda p: archive(p, many(20)),
    "kev": lambda p: kev_list(p, CVES),
    "epss": lambda p: epss_list(p, ROWS),
    "ends": lambda p: ends_list(p, ENDINGS),
}
DEEP = b'{"dateReleased": ' + b"[" * 20_000_000


@pytest.mark.fault("I9")
@pytest.mark.parametrize(
    ("name", "make", "complaint"),
    [
        ("Debian", cut, "not a whole zip archive"),
        ("Debian", lambda p: packed_wrong(archive(p, many(20))), "not a whole zip archive"),
        ("Debian", bomb, "it unpacks to"),
        ("Debian", html, "not a whole zip archive"),
        ("Debian", lambda p: archive(p, many(2)), "2 records where there were 20"),
        ("Debian", doubled, "18 of 20 records are amiss"),
        (
            "Debian",
            lambda p: archive(p, [{**one, "modified": "2099-01-01T00:00:00Z"} for one in many(20)]),
            "in the future",
        ),
        (
            "Debian",
            lambda p: archive(p, [{**one, "modified": "2020-01-01T00:00:00Z"} for one in many(20)]),
            "it ends 2020",
        ),
        ("kev", lambda p: written(p, bytes_of(kev_list(p, CVES))[:-200]), "not a list of exploited flaws"),
        ("kev", html, "not a list of exploited flaws"),
        ("kev", lambda p: written(p, DEEP), "not a list of exploited flaws"),
        ("kev", lambda p: written(p, b"[" * (40 << 20)), "longer than 33554432 bytes"),
        ("kev", lambda p: kev_list(p, CVES[:4]), "4 records where there were 40"),
        ("kev", lambda p: kev_list(p, CVES[:4] * 10), "36 of 40 records are amiss"),
        ("kev", lambda p: kev_list(p, CVES, released="2099-01-01T00:00:00Z"), "in the future"),
        ("kev", lambda p: kev_list(p, CVES, released="2020-01-01T00:00:00Z"), "it ends 2020"),
        (
            "kev",
            lambda p: written(p, bytes_of(kev_list(p, CVES)).replace(b": 40", b": 1e400")),
            "it declares inf entries",
        ),
        ("epss", lambda p: written(p, bytes_of(epss_list(p, ROWS))[:-9]), "not a whole list"),
        ("epss", lambda p: packed_wrong(epss_list(p, ROWS)), "not a whole list"),
        ("epss", html, "not a whole list"),
        ("epss", puffed, "it unpacks to more than the"),
        ("epss", lambda p: epss_list(p, ROWS[:4]), "4 records where there were 40"),
        ("epss", lambda p: epss_list(p, ROWS[:4] * 10), "36 of 40 records are amiss"),
        ("epss", lambda p: epss_list(p, [f"{name},1e400,0.1" for name in CVES]), "holds no record"),
        ("epss", lambda p: epss_list(p, [*ROWS[:30], *[f"{name},NaN,0.1" for name in CVES[30:]]]), "10 of 40 records"),
        ("epss", lambda p: epss_list(p, ROWS, scored="2099-01-01T00:00:00Z"), "in the future"),
        ("epss", lambda p: epss_list(p, ROWS, scored="2020-01-01T00:00:00Z"), "it ends 2020"),
        ("ends", lambda p: ends_list(p, {one: of * 10 for one, of in ENDINGS.items()}), "360 of 400 records are amiss"),
        ("ends", html, "not a list of when releases end"),
    ],
)
def test_a_feed_of_a_file_that_is_amiss_is_refused_with_the_age_of_the_one_in_force(
    tmp_path: Path, name: str, make: Callable[[Path], Path], complaint: str
) -> None:
    form: Form = "osv" if name == "Debian" else name  # type: ignore[assignment]
    folder = tmp_path / "feeds"
    store.take(folder, name, form, GOOD[name](tmp_path / "good"), utc_now() - timedelta(days=3), Limits())
    make(tmp_path / "bad")
    took = bounded(tmp_path, "feeds", "import", "--feeds", "feeds", f"{name}=bad")
    assert (took.code, took.stdout) == (3, ""), took.stderr
    assert re.search(rf"riskline: {name}: .*{complaint}", took.stderr), took.stderr
    assert f"riskline: {name}: its copy of 3 days ago is in force" in took.stderr
    assert "Traceback" not in took.stderr
    assert took.peak_mib < 512
    assert [one.name for one in folder.iterdir()] == [f"{name}.db"]


@pytest.mark.fault("I9", "I10")
@pytest.mark.parametrize(
    ("name", "make", "bad"),
    [
        (
            "Debian",
            lambda p: archive(p, [*many(20), {**many(1)[0], "id": "X-1", "modified": "2099-01-01T00:00:00Z"}]),
            "X-1",
        ),
        ("Debian", lambda p: archive(p, [*many(21), many(21)[20]]), "DEBIAN-CVE-2026-10020"),
        ("Debian", lambda p: archive(p, [*many(21), '{"id": "X-1", "modified": 1e400}']), "21.json"),
        ("kev", lambda p: kev_list(p, [*CVES, "CVE-2026-99999", CVES[0]]), "one of several"),
        ("kev", lambda p: kev_list(p, [*CVES, "CVE-2026-99999", ""]), "entry 41"),
        ("epss", lambda p: epss_list(p, [*ROWS, "CVE-2026-99999,0.1,0.1", "CVE-2026-99998,1e400,0.1"]), "1e400"),
        ("epss", lambda p: epss_list(p, [*ROWS, "CVE-2026-99999,0.1,0.1", ROWS[0]]), "one of several"),
    ],
)
def test_one_record_that_is_amiss_is_listed_by_the_verb_and_the_rest_used(
    tmp_path: Path, name: str, make: Callable[[Path], Path], bad: str
) -> None:
    make(tmp_path / "file")
    took = bounded(tmp_path, "feeds", "import", "--feeds", "feeds", f"{name}=file")
    assert (took.code, took.stderr) == (0, "")
    assert re.search(rf"{name}: taken; (21|41) records .*, 1 amiss", took.stdout), took.stdout
    assert re.search(rf"  amiss: .*{re.escape(bad)}", bounded(tmp_path, "feeds", "status", "--feeds", "feeds").stdout)


@pytest.mark.fault("I9")
def test_what_two_records_of_one_id_say_is_one_advisory(tmp_path: Path) -> None:
    one, other = many(1)[0], record(cve(0), "libssl3", "3.0.11-1")
    taken(tmp_path, "osv", archive(tmp_path / "a.zip", [*many(20)[1:], one, other]))
    with store.opened(store.path_of(tmp_path, "osv")) as db:
        found = db.execute("SELECT pkg FROM span JOIN adv ON adv.n = span.adv WHERE id = ?", (one["id"],)).fetchall()
    assert sorted(found) == [("libssl3",), ("openssl",)]


@pytest.mark.fault("I9")
def test_a_mark_at_the_head_and_small_letters_change_no_feed(tmp_path: Path) -> None:
    small = [{**one, "upstream": ["cve-2026-77777"]} for one in many(3)]
    kev_list(tmp_path / "kev", [one.lower() for one in CVES])
    (tmp_path / "kev").write_bytes(b"\xef\xbb\xbf" + bytes_of(tmp_path / "kev"))
    plain = gzip.decompress(bytes_of(epss_list(tmp_path / "epss", [row.lower() for row in ROWS])))
    (tmp_path / "epss").write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain))
    archive(tmp_path / "Debian", [json.dumps(one).join(["\ufeff", ""]) for one in small])
    took = bounded(tmp_path, "feeds", "import", "--feeds", "f", "Debian=Debian", "kev=kev", "epss=epss")
    assert (took.code, took.stderr) == (0, "")
    assert "amiss" not in took.stdout
    for name, query, found in (
        ("kev", "SELECT MAX(cve) FROM kev", CVES[-1]),
        ("epss", "SELECT MAX(cve) FROM epss", CVES[-1]),
        ("Debian", "SELECT MIN(cves) FROM adv", "CVE-2026-10000 CVE-2026-77777"),
    ):
        with store.opened(store.path_of(tmp_path / "f", name)) as db:
            assert db.execute(query).fetchone() == (found,)


def read(one: dict[str, object]) -> Advisory:
    found = advisory(one)
    assert found is not None
    return found


def test_a_withdrawn_advisory_is_left_out() -> None:
    assert advisory(record(cve(1), "bash", "5.2", withdrawn="2026-01-01T00:00:00Z")) is None


@pytest.mark.parametrize("key", ["aliases", "upstream", "related"])
def test_the_cve_is_found_wherever_a_distribution_puts_it(key: str) -> None:
    one = {**record("ALSA-2026:1", "bash", "5.2", upstream=[]), key: ["CVE-2026-10001"]}
    assert read(one).cves == ("CVE-2026-10001",)


def test_several_ranges_and_the_last_affected_version_are_read() -> None:
    events = [
        {"introduced": "0"},
        {"fixed": "1.2"},
        {"introduced": "2.0"},
        {"last_affected": "2.3"},
        {"introduced": "3"},
    ]
    spans = read(record(cve(1), "bash", None, events=events)).spans
    assert [(s.fixed_text, s.last, s.fixed is None) for s in spans] == [
        ("1.2", False, False),
        ("2.3", True, False),
        ("", False, True),
    ]


def test_the_age_of_a_feed_is_counted_from_its_last_confirmation(tmp_path: Path) -> None:
    found = taken(tmp_path, "kev", kev_list(tmp_path / "1", ["CVE-2026-10001"]))
    assert found.age_days(NOW + timedelta(days=3)) == 3
    store.confirmed(tmp_path, "kev", NOW + timedelta(days=3))
    again = store.standing(tmp_path, "kev")
    assert again is not None
    assert again.age_days(NOW + timedelta(days=3)) == 0
