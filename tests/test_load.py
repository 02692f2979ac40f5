"""Reading YAML: quiet about types, loud about mistakes, and bounded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.compare import refuse_unsuitable
from scanner.errors import UsageError
from scanner.load import WrittenFloat, parse_document, validate
from scanner.model import Asset, Control

from .bounded import bounded


def parse(text: str) -> dict[str, object]:
    return parse_document(text.encode(), "file.yaml")


@pytest.mark.fault("I2")
def test_only_true_and_false_are_booleans_and_only_plain_decimals_are_numbers() -> None:
    read = parse("a: no\nb: on\nc: true\nd: 0640\ne: 22:22\nf: 14\ng: '14'\nh: ~\ni: 1_000\nj: 0x10\nk: .5\n")
    assert read == {
        "a": "no", "b": "on", "c": True, "d": "0640", "e": "22:22", "f": 14, "g": "14", "h": None,
        "i": "1_000", "j": "0x10", "k": ".5",
    }  # fmt: skip


def test_a_decimal_number_remembers_how_it_was_written() -> None:
    number = parse("a: 5.10")["a"]
    assert isinstance(number, WrittenFloat)
    assert number == 5.1
    assert number.text == "5.10"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3\n", "file.yaml:3: the key 'a' stands here twice; first on line 1"),
        ("a:\n  <<: {b: 1}\n", "file.yaml:2: merge keys"),
        ("a: !!python/object/apply:os.system [ls]\n", "file.yaml:1: the tag"),
        ("- a\n", "file.yaml:1: a mapping"),
        ("", "file.yaml:1: the file is empty"),
        ("a: [b\n", "file.yaml:2: not valid YAML"),
        ("a: &x [*x]\n", "unfold to more"),
        ("? [a]\n: b\n", "file.yaml:1: a key must be a plain text"),
        ("[" * 100_000, "nested too deep"),
    ],
)
@pytest.mark.fault("I2")
def test_what_cannot_be_meant_is_refused_with_file_and_line(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint.replace("(", r"\(").replace("[", r"\[")):
        parse(text)


@pytest.mark.timeout(20)
@pytest.mark.fault("I1")
def test_an_alias_bomb_ends() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(UsageError, match="aliases unfold"):
        parse("\n".join(lines))


ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
BOMBS: Mapping[str, tuple[str, str]] = {
    "aliases": (f"a0: &a0 [x, x, x, x, x, x, x, x, x]\n{ALIASES}", ":6: aliases unfold to more than can be meant"),
    "merge keys": (
        f"a0: &a0 {{k: v}}\n{ALIASES}".replace("[", "{<<: [").replace("]", "]}"),
        ":2: merge keys (<<) are not supported",
    ),
    "depth": (f"a: 1\nb: {'[' * 100_000}", ":2: nested too deep"),
    "depth of mappings": ("".join(f"{' ' * n}a:\n" for n in range(1000)), ":41: nested too deep"),
    "width": (f"a: 1\nb: [{'[],' * 2_000_000}]", ":2: nested too deep or too long"),
    "a tag": ("a: 1\nb: !!python/object/apply:os.system [touch made]\n", ":2: the tag tag:yaml.org,2002:python/object"),
    "a tag of a name": ("a: !!python/name:os.system\n", ":1: the tag tag:yaml.org,2002:python/name:os.system"),
    "an object": ("a: !!python/object:subprocess.Popen {args: [touch, made]}\n", ":1: the tag"),
    "length": ("a: 1\n", ":1: larger than 16 MiB"),
}
READERS: Mapping[str, str] = {
    "inventory": "inventory check -i {file}",
    "baseline": "baseline check {file}",
    "part": "baseline check extending.yaml",
    "policy": "scan -i good.yaml --no-record --policy {file}",
    "gate": "gate latest --change CHG-1 --register r.db --policy {file}",
    "waivers": "register waive {file} --register r.db --who eve",
    "attestations": "attest ORG-01 -i people.yaml --asset a --answer yes --who Jane",
    "hosts": "inventory import ansible {file}",
}
"""What each kind of file is read by. Two are read because another file names them."""
EVERYWHERE = ("aliases", "merge keys", "depth", "a tag", "length")
TRIED = [(reader, bomb) for reader in READERS for bomb in (BOMBS if reader == "inventory" else EVERYWHERE)]


def laid(path: Path, bomb: str) -> str:
    """Write it there; the complaint that it is to meet."""
    text, complaint = BOMBS[bomb]
    path.write_text(f"{text}\nz:\n")  # the last line tells Ansible's YAML from its INI
    if bomb == "length":
        os.truncate(path, 100 << 20)
    return f"{path.name}{complaint}"


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with the sound files that the readers need besides the one that is not."""
    (tmp_path / "good.yaml").write_text("assets: {a: {access: local}}\n")
    (tmp_path / "people.yaml").write_text("attestations: bad.yaml\nassets: {a: {access: organisation}}\n")
    head = "id: x\nversion: '1'\ntitle: T\napplies_to: {kind: linux}\n"
    (tmp_path / "extending.yaml").write_text(f"{head}extends: bad.yaml\n")
    return tmp_path


@pytest.mark.fault("I1")
@pytest.mark.parametrize(("reader", "bomb"), TRIED)
def test_no_file_that_a_verb_reads_multiplies(beside: Path, reader: str, bomb: str) -> None:
    complaint = laid(beside / "bad.yaml", bomb)
    took = bounded(beside, *READERS[reader].format(file="bad.yaml").split())
    assert (took.code, took.stdout) == (2, ""), took.stderr
    assert f"riskline: {complaint}" in took.stderr
    assert "Traceback" not in took.stderr
    assert took.peak_mib < 256
    assert not (beside / "made").exists()


@pytest.mark.fault("I1")
@pytest.mark.parametrize("bomb", EVERYWHERE)
def test_attestations_that_multiply_answer_nothing_and_are_told_with_their_line(beside: Path, bomb: str) -> None:
    complaint = laid(beside / "bad.yaml", bomb)
    took = bounded(beside, "scan", "-i", "people.yaml", "--no-record", "-f", "json", "--fail-on", "never")
    found = json.loads(took.stdout)["findings"]
    assert found
    assert {(one["outcome"], one["reason"]) for one in found} == {("unknown", "failed")}
    assert all(complaint in one["detail"] for one in found)
    assert (took.code, took.peak_mib < 256) == (3, True)


UNTRUSTED: Mapping[str, str] = {
    "missing": "bad.yaml: No such file or directory",
    "not UTF-8": "bad.yaml:2: not UTF-8 text",
    "open to all": "bad.yaml: anybody on this machine may change it; run: chmod o-w bad.yaml",
    "UTF-16": "bad.yaml:1: not UTF-8 text",
    "a folder": "bad.yaml",
}
OFTEN = ("missing", "not UTF-8", "open to all")
READ = [(reader, what) for reader in READERS for what in (UNTRUSTED if reader == "inventory" else OFTEN)]
READ.remove(("attestations", "missing"))  # the first answer begins the file


@pytest.mark.fault("I5")
@pytest.mark.parametrize(("reader", "what"), READ)
def test_a_file_that_cannot_be_trusted_or_read_is_refused_by_every_verb(beside: Path, reader: str, what: str) -> None:
    bad = beside / "bad.yaml"
    if what == "a folder":
        bad.mkdir()
    elif what != "missing":
        bad.write_bytes({"not UTF-8": b"a: 1\nb: \xff\xfe\n", "UTF-16": "a: 1\n".encode("utf-16")}.get(what, b"a: 1\n"))
        bad.chmod(0o666 if what == "open to all" else 0o644)
    took = bounded(beside, *READERS[reader].format(file="bad.yaml").split())
    complaint = UNTRUSTED[what]
    if (reader, what) == ("part", "missing"):
        complaint = "extending.yaml:5: there is no baseline or part 'bad.yaml' to extend"
    assert (took.code, took.stdout) == (2, ""), took.stderr
    assert complaint in took.stderr
    assert "Traceback" not in took.stderr


@pytest.mark.fault("I5")
def test_attestations_that_anybody_may_write_answer_nothing(beside: Path) -> None:
    bad = beside / "bad.yaml"
    bad.write_text("attestations: []\n")
    for mode, reason in ((0o644, "not-attested"), (0o666, "failed")):
        bad.chmod(mode)
        took = bounded(beside, "scan", "-i", "people.yaml", "--no-record", "-f", "json", "--fail-on", "never")
        found = json.loads(took.stdout)["findings"]
        assert {(one["outcome"], one["reason"]) for one in found} == {("unknown", reason)}
    assert all("chmod o-w" in one["detail"] for one in found)


@pytest.mark.fault("I5")
@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"a": "a"}, "a.yaml:5: 'a.yaml' extends itself in a circle"),
        ({"a": "b", "b": "c", "c": "b"}, "c.yaml:5: 'b.yaml' extends itself in a circle"),
        ({"a": "b", "b": "a"}, "b.yaml:5: 'a.yaml' extends itself in a circle"),
        ({"a": "n0", **{f"n{n}": f"n{n + 1}" for n in range(1500)}, "n1500": ""}, "through more than 20 files"),
        ({"a": "../b"}, "a.yaml:5: there is no baseline or part '../b.yaml' to extend"),
        ({"a": "b", "b": "c"}, "b.yaml:5: there is no baseline or part 'c.yaml' to extend"),
    ],
)
def test_baselines_that_extend_without_end_are_refused_with_their_line(
    tmp_path: Path, files: Mapping[str, str], complaint: str
) -> None:
    laid_out(tmp_path, files)
    took = bounded(tmp_path, "baseline", "check", "a.yaml")
    assert took.code == 2
    assert complaint in took.stderr
    assert "Traceback" not in took.stderr


@pytest.mark.fault("I5", "I1")
def test_parts_that_extend_one_another_twice_are_gathered_once(tmp_path: Path) -> None:
    """Fifteen files, each of which takes the next one in nine times: 9^15 of them, one by one."""
    laid_out(tmp_path, {"a": "n0", **{f"n{n}": ", ".join([f"n{n + 1}.yaml"] * 8 + [f"n{n + 1}"]) for n in range(14)}})
    laid_out(tmp_path, {"n14": ""})
    with (tmp_path / "a.yaml").open("a") as opened:
        opened.write("controls: [{id: X-1, title: t, why: w, fix: f, manual: q}]\n")
    took = bounded(tmp_path, "baseline", "check", "a.yaml")
    assert (took.code, took.stdout) == (0, "a.yaml: good; a 1 with 1 controls\n"), took.stderr


def laid_out(folder: Path, files: Mapping[str, str]) -> None:
    """Baselines by name, each with what it extends; their line 5 says so."""
    for name, above in files.items():
        more = f"extends: [{above}.yaml]\n" if above else ""
        head = f"id: {name}\nversion: '1'\ntitle: T\napplies_to: {{kind: linux}}\n"
        (folder / f"{name}.yaml").write_text(head + more)


@given(st.binary(max_size=400))
@pytest.mark.fault("I1")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_document(data, "f")
    except UsageError as error:
        assert str(error).startswith("f:")


@pytest.mark.fault("I4")
def test_every_mistake_of_an_asset_is_named_at_once() -> None:
    text = "id: x\naccess: {ssh: {usr: a, port: '22'}}\nzone: moon\ncriticality: {c: 9}\n"
    with pytest.raises(UsageError) as caught:
        validate(Asset, parse_document(text.encode(), "i.yaml"), "asset 'x'")
    said = str(caught.value)
    assert "i.yaml:2: asset 'x': there is no key 'usr'; did you mean 'user'?" in said
    assert "i.yaml:2: asset 'x': access.ssh.port: " in said
    assert "i.yaml:3: asset 'x': zone: " in said
    assert "i.yaml:4: asset 'x': criticality.c: " in said


def test_a_missing_line_is_named() -> None:
    with pytest.raises(UsageError, match=r"c\.yaml:1: control has no 'fix'; add it"):
        validate(Control, parse_document(b"id: X\ntitle: t\nwhy: w\n", "c.yaml"), "control")


@pytest.mark.fault("I7")
@pytest.mark.parametrize("line", ["applies_to:", "applies_to: x", "applies_to: []", "id:", "version: [1]", "title: {}"])
def test_a_baseline_whose_head_is_of_another_shape_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    good = {"id": "x", "version": "'1'", "title": "T", "applies_to": "{kind: linux}", "controls": "[]"}
    key = line.partition(":")[0]
    text = "".join(f"{line}\n" if name == key else f"{name}: {value}\n" for name, value in good.items())
    (tmp_path / "b.yaml").write_text(text)
    with pytest.raises(UsageError, match=rf"b\.yaml:\d: '{key}' must be"):
        read_baseline(tmp_path / "b.yaml", Catalogue())


HEADED = "id: own\nversion: '1'\ntitle: T\napplies_to: {kind: linux}\n"
KEPT = (
    "controls:\n- {id: A-1, title: t, why: w, fix: f, check: linux.sshd.setting, given: {key: banner}, expect: {%s}}\n"
)
MORE = KEPT.partition("\n")[2].replace("A-1", "B-2")
RUNAWAYS = [
    *("(a+)+$", "((a+))+$", "(a*)*", "(a|aa)+$", "(a|a)*b", "(?:a?){30}a{30}", "(.*,){11}P", "(.+)+", "(?:x+x+)+y"),
    *(r"(a)\1+", r"(?P<one>a)(?P=one)", "(?=a+)a", "(?<!a)b", "(?:(?:a|b)+|c)*", "(a{0,99}){0,99}", "([a-z]*,?)*"),
]


@pytest.mark.fault("I7")
@pytest.mark.parametrize("pattern", RUNAWAYS)
@pytest.mark.parametrize("word", ["matches", "not_matches"])
def test_a_pattern_that_could_run_away_is_refused_before_anything_is_matched(word: str, pattern: str) -> None:
    with pytest.raises(UsageError, match="could run away"):
        refuse_unsuitable({word: pattern}, (str,))


@pytest.mark.fault("I7")
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (KEPT % "matches: '(a+)+$'", "own.yaml:6: control A-1: the pattern '(a+)+$' could run away"),
        (KEPT % "matches: '((a+))+$'", "own.yaml:6: control A-1: the pattern '((a+))+$' could run away"),
        (KEPT % "matches: '('", "own.yaml:6: control A-1: the pattern '(' is broken: missing )"),
        (KEPT % "matches: 'a{99999999999}'", "own.yaml:6: control A-1: the pattern 'a{99999999999}' is broken"),
        (
            "parameters: {p: '(a|aa)+'}\n" + KEPT % "matches: {parameter: p}",
            "own.yaml:7: control A-1: the pattern '(a|aa)+'",
        ),
        (
            (KEPT % "equals: a").replace("setting", "seting"),
            "own.yaml:6: control A-1: there is no check 'linux.sshd.seting'",
        ),
        ((KEPT % "equals: a").replace("setting", "seting"), "did you mean linux.sshd.setting"),
        ((KEPT % "equals: a").replace("key:", "kee:"), "linux.sshd.setting takes no 'kee'; did you mean 'key'?"),
        (KEPT % "is: a", "own.yaml:6: control A-1: `expect` has no word 'is'"),
        (KEPT % "", "own.yaml:6: control A-1: `expect` is empty"),
        (KEPT % "at_least: 14, at_most: 8", "control A-1: nothing can be at_least 14 and at_most 8"),
        (KEPT % "equals: a, not_equals: a", "control A-1: nothing can be equals a and not_equals a"),
        (KEPT % "equals: 3, at_least: 4", "control A-1: nothing can be equals 3 and at_least 4"),
        (KEPT % "one_of: [a, b], none_of: [a, b]", "control A-1: nothing can be one_of a, b and none_of a, b"),
        (KEPT % "matches: 'a.*', not_matches: 'a.*'", "control A-1: nothing can be matches a.* and not_matches a.*"),
        (KEPT % "one_of: []", "control A-1: `one_of` has no value"),
        (
            KEPT % "equals: a" + MORE % "equals: b",
            "own.yaml:7: control B-2 contradicts A-1: nothing can be equals a and equals b; keep one",
        ),
        (
            KEPT % "at_least: 14" + MORE % "at_most: 8",
            "own.yaml:7: control B-2 contradicts A-1: nothing can be at_least 14 and at_most 8; keep one",
        ),
        (
            KEPT % "equals: a" + MORE.replace("B-2", "A-1") % "equals: a",
            "own.yaml:7: the control A-1 stands here twice",
        ),
        ("controls: []\n", "own.yaml:1: the baseline has no control"),
        ("", "own.yaml:1: the baseline has no control"),
        ("extends: debian-12\nwithout: [NOPE-1]\n", "own.yaml:6: `without`: no inherited control is called 'NOPE-1'"),
    ],
)
def test_a_baseline_that_cannot_be_judged_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "own.yaml").write_text(HEADED + text)
    took = bounded(tmp_path, "baseline", "check", "own.yaml")
    assert (took.code, took.stdout) == (2, "")
    assert complaint in took.stderr
    assert "Traceback" not in took.stderr


@pytest.mark.fault("I7")
@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a remark\n", "---\n", "~\n", "\ufeff"])
def test_a_baseline_without_anything_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    (tmp_path / "good.yaml").write_text("assets: {a: {access: local}}\n")
    for words in (
        ["baseline", "check", "own.yaml"],
        ["scan", "-i", "good.yaml", "--register", "r.db", "-b", "own.yaml"],
    ):
        took = bounded(tmp_path, *words)
        assert (took.code, took.stdout) == (2, "")
        assert "own.yaml:1: " in took.stderr
        assert "Traceback" not in took.stderr
    assert not (tmp_path / "r.db").exists()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at_least: 1", "at_most: 4"),
        ("equals: 3", "at_least: 3"),
        ("matches: 'a.*'", "not_matches: 'ab.*'"),
        ("one_of: [a, b]", "none_of: [b]"),
    ],
)
def test_what_can_be_met_together_is_no_contradiction(tmp_path: Path, one: str, other: str) -> None:
    for text in (KEPT % f"{one}, {other}", KEPT % one + MORE % other):
        (tmp_path / "own.yaml").write_text(HEADED + text)
        assert read_baseline(tmp_path / "own.yaml", Catalogue()).controls


def test_an_alias_stands_for_a_copy_of_its_own_and_for_a_key() -> None:
    read = parse("a: &x {p: [1, &k two]}\nb: *x\n*k : 3\n")
    assert read == {"a": {"p": [1, "two"]}, "b": {"p": [1, "two"]}, "two": 3}
    assert read["a"] is not read["b"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\n---\nb: 2\n", "file.yaml:2: not valid YAML: another document"),
        ("a: &x 1\nb: &x 2\n", "file.yaml:2: not valid YAML: something else is called &x"),
        ("a: *x\n", "file.yaml:1: not valid YAML: nothing is called &x"),
        ("!x a: 1\n", "file.yaml:1: the tag !x"),
        ("a: &x [1]\n*x : 2\n", "file.yaml:2: a key must be a plain text"),
    ],
)
def test_what_stands_for_something_else_is_refused_with_its_line_where_it_does_not(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse(text)


def test_a_part_that_several_baselines_take_in_is_the_same_in_each_and_read_anew_once_it_changed(
    tmp_path: Path,
) -> None:
    control = "{id: X-1, title: t, why: w, fix: f, manual: q, effort: hours, references: {cis: 1.1}}"
    (tmp_path / "part.yaml").write_text(f"controls: [{control}]\n")
    head = "version: '1'\ntitle: T\napplies_to: {kind: linux}\nextends: part.yaml\n"
    for name, more in (("a", "answers: {iso: {A.1: X-1}}\n"), ("b", "")):
        (tmp_path / f"{name}.yaml").write_text(f"id: {name}\n{head}{more}")
    read = {name: read_baseline(tmp_path / f"{name}.yaml", Catalogue()) for name in ("a", "b", "a")}
    assert [sorted(one.controls[0].references) for one in read.values()] == [["cis", "iso"], ["cis"]]
    (tmp_path / "part.yaml").write_text(f"controls: [{control.replace('hours', 'weeks')}]\n")
    assert read_baseline(tmp_path / "b.yaml", Catalogue()).controls[0].effort == "weeks"


def test_the_digest_of_a_baseline_covers_every_parameter(tmp_path: Path) -> None:
    digests = set()
    for value in ("[a]", "[b]", "{c: 1}", "1"):
        (tmp_path / "b.yaml").write_text(
            f"id: b\nversion: '1'\ntitle: T\napplies_to: {{kind: linux}}\nparameters: {{p: {value}}}\n"
            "controls: [{id: X-1, title: t, why: w, fix: f, manual: q}]\n"
        )
        digests.add(read_baseline(tmp_path / "b.yaml", Catalogue()).digest)
    assert len(digests) == 4
