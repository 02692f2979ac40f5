"""I12: whatever a check of somebody else does, the run loses that check's verdict and nothing else."""

from __future__ import annotations

import json
import os
import py_compile
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner import confined
from scanner.catalogue import Catalogue, returns
from scanner.catalogue import _points as points
from scanner.checking import accepts, parameters
from scanner.confined import GIVE_UP, CheckEnded, Worker, plain_observed, plain_probe, read_observed, read_probe
from scanner.errors import Absent, NotApplicable, Undetermined, Unparsable, UsageError
from scanner.model import Check, Idle, Unclear, Unwritten
from scanner.probes import api, file, registry, sh

from .bounded import Took, bounded

MODULE = '''
"""Checks that go wrong in every way, and some that do not."""
import os, sys, time
from scanner import Absent, Fact, Given, NotApplicable, Undetermined, check, file, parse, sh

TEXT = Fact(file(Given("path"), sudo=True, max_bytes=4096), str)
PAIRS = Fact(sh("cat /etc/x", of="x"), parse.key_values)

@check("own.bad.value", PAIRS)
def value(pairs: dict[str, str], key: str, other: str = "none") -> str | None:
    """The value of a key."""
    return pairs.get(key, other)

@check("own.bad.each", PAIRS)
def each(pairs: dict[str, str]) -> dict[str, list[str]]:
    return {name: [text] for name, text in pairs.items()}

@check("own.bad.raises", TEXT)
def raises(text: str) -> str:
    raise RuntimeError("my own fault: " + text)

@check("own.bad.leaves", TEXT)
def leaves(text: str) -> str:
    sys.exit(0)

@check("own.bad.dies", TEXT)
def dies(text: str) -> str:
    os.kill(os.getpid(), 9)
    return ""

@check("own.bad.hangs", TEXT)
def hangs(text: str) -> str:
    while True:
        time.sleep(1)

@check("own.bad.eats", TEXT)
def eats(text: str) -> str:
    return "x" * (4 << 30)

@check("own.bad.talks", TEXT)
def talks(text: str) -> str:
    print('{"observed": "forged"}', flush=True)
    os.write(1, b'{"observed": "forged"}\\n')
    print(input() if False else "", file=sys.stderr)
    return "quiet"

@check("own.bad.odd", TEXT)
def odd(text: str) -> str:
    return {1, 2}

@check("own.bad.much", TEXT)
def much(text: str) -> str:
    return "x" * (20 << 20)

@check("own.bad.writes", TEXT)
def writes(text: str) -> str:
    with open(text, "w") as opened:
        opened.write("x")
    return "written"

@check("own.bad.looks", TEXT)
def looks(text: str) -> str:
    return os.environ.get("RISKLINE_CANARY", "nothing")

@check("own.bad.changes", PAIRS)
def changes(pairs: dict[str, str], key: str) -> str:
    """Takes out of what it was given what it was asked for."""
    return pairs.pop(key)

@check("own.bad.forks", TEXT)
def forks(text: str) -> str:
    """Its child goes on as it does, and would answer as well."""
    return f"child {os.fork()}"

@check("own.bad.stays", TEXT)
def stays(text: str) -> str:
    if not os.fork():
        time.sleep(600)
    return "quiet"

@check("own.bad.starts", TEXT)
def starts(text: str) -> str:
    import subprocess
    return str(subprocess.Popen(["sleep", "600"]).pid)

@check("own.bad.threads", TEXT)
def threads(text: str) -> str:
    import threading
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "quiet"

@check("own.bad.verdict", TEXT)
def verdict(text: str) -> str:
    raise {"absent": Absent, "na": NotApplicable, "unknown": Undetermined}[text]("why")
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("checks")
    (made / "own").mkdir(mode=0o755)
    (made / "own" / "bad.py").write_text(MODULE)
    return made


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> Iterator[Catalogue]:
    found = Catalogue((folder,))
    for worker in found._workers.values():
        worker.limit_s = 3.0
    yield found


def observe(catalogue: Catalogue, name: str, text: str = "x", **given: str) -> object:
    return catalogue.check(f"own.bad.{name}").observe(text, **given)


def test_a_check_of_a_folder_observes_as_any_other(catalogue: Catalogue) -> None:
    assert observe(catalogue, "value", "a=1\nb=2\n", key="b") == "2"
    assert observe(catalogue, "value", "a=1\n", key="b") == "none"
    assert observe(catalogue, "each", "a=1\nb=2\n") == {"a": ["1"], "b": ["2"]}


def test_what_a_baseline_is_held_against_is_told_of_it(catalogue: Catalogue) -> None:
    value, each = catalogue.check("own.bad.value"), catalogue.check("own.bad.each")
    assert (returns(value), returns(each)) == (((str, type(None)), False), ((list,), True))
    assert parameters(value) == {"key": True, "other": False}
    assert accepts(value) == {"key", "other"}
    assert parameters(catalogue.check("own.bad.raises")) == {"path": True}
    assert value.doc == "The value of a key."
    assert value.facts[0].probe == sh("cat /etc/x", of="x")


def test_it_is_listed_with_all_others(catalogue: Catalogue) -> None:
    assert {"own.bad.value", "linux.sshd.setting"} <= {one.id for one in catalogue.checks()}


@pytest.mark.parametrize(
    ("word", "kind"), [("absent", Absent), ("na", NotApplicable), ("unknown", Undetermined)], ids=str
)
def test_its_own_words_instead_of_a_value_are_kept(catalogue: Catalogue, word: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="why"):
        observe(catalogue, "verdict", word)


def test_a_text_of_another_shape_is_unparsable(catalogue: Catalogue) -> None:
    with pytest.raises(Unparsable):
        observe(catalogue, "value", "no sign", key="b")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "my own fault: x"),
        ("leaves", "ended its process"),
        ("dies", "ended its process"),
        ("hangs", "longer than 3 s"),
        ("eats", "more memory than 1024 MiB"),
        ("odd", "not set"),
        ("much", "more than 16 MiB"),
        ("writes", "File too large"),
        ("forks", "os.fork"),
        ("stays", "os.fork"),
        ("starts", "Popen"),
        ("threads", "start new thread"),
    ],
)
@pytest.mark.fault("I12")
def test_what_goes_wrong_is_told_and_the_next_check_is_run(
    catalogue: Catalogue, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(CheckEnded, match=said):
        observe(catalogue, name, str(tmp_path / "file") if name == "writes" else "x")
    assert observe(catalogue, "value", "a=1\n", key="a") == "1"


@pytest.mark.fault("I12")
def test_what_a_check_changes_is_changed_for_nobody_else(catalogue: Catalogue) -> None:
    for _ in range(2):
        assert observe(catalogue, "changes", "a=1\nb=2\n", key="a") == "1"
    assert observe(catalogue, "value", "a=1\nb=2\n", key="a") == "1"


@pytest.mark.fault("I12")
@pytest.mark.parametrize(("name", "said"), [("forks", "child [1-9]"), ("stays", "quiet")])
def test_where_a_check_can_start_processes_they_neither_answer_nor_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    """As on a system whose calls are not known here, or that allows no filters."""
    unfiltered = "from scanner import confined_worker as w; w.jail.is_supported = bool; w.serve()"
    monkeypatch.setattr(confined, "_BOOT", confined._BOOT.partition("from")[0] + unfiltered)
    worker = Worker(str(folder), limit_s=5.0)
    made = worker.module("own.bad", folder / "own" / "bad.py")
    assert re.match(said, made.__dict__[name].observe("x"))
    assert [made.value.observe(f"a={n}\n", key="a") for n in range(3)] == ["0", "1", "2"]
    assert worker._child
    group = worker._child.pid
    assert len(processes_of(group)) == (2 if name == "stays" else 1)
    with pytest.raises(CheckEnded):
        made.dies.observe("x")
    assert processes_of(group) == []


def processes_of(group: int) -> list[str]:
    """The processes of a group that are alive."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group) and "Z" not in line]


@pytest.mark.fault("I12")
def test_what_a_check_prints_is_no_answer(catalogue: Catalogue) -> None:
    assert observe(catalogue, "talks") == "quiet"


def test_a_check_sees_nothing_of_our_environment(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKLINE_CANARY", "seen")
    (worker,) = catalogue._workers.values()
    fresh = Worker(worker.source).module("own.bad", Path(worker.source, "own", "bad.py"))
    assert fresh.looks.observe("x") == "nothing"


@pytest.mark.fault("I12")
def test_a_check_that_hangs_again_and_again_is_given_up(folder: Path) -> None:
    worker = Worker(str(folder), limit_s=1.0)
    check: Check = worker.module("own.bad", folder / "own" / "bad.py").leaves
    for _ in range(GIVE_UP):
        with pytest.raises(CheckEnded, match="ended its process"):
            check.observe("x")
    with pytest.raises(CheckEnded, match="not run again"):
        check.observe("x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "No module named"),
        ("raise SystemExit(0)", "ended its process"),
        ("raise ValueError('at import')", "at import"),
        ("while True: pass", "longer than"),
        ("def f(:", "SyntaxError"),
    ],
)
@pytest.mark.fault("I12")
def test_a_module_that_cannot_be_imported_is_refused_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(UsageError, match=said) as refused:
        Worker(str(tmp_path), limit_s=1.0).module("bad", tmp_path / "bad.py")
    assert str(tmp_path / "bad.py") in str(refused.value)


def test_probes_and_observations_come_back_equal() -> None:
    buckets = api("s3", "list_buckets", items="Buckets")
    for probe in (file("/x"), registry(r"HKLM\X", "Y"), sh("x", ok=(0, 1), running=True),
                  api("s3", "get_bucket_policy", params={"Bucket": "Name"}, each=buckets)):  # fmt: skip
        assert read_probe(json.loads(json.dumps(plain_probe(probe)))) == probe
    for value in ("x", 1, 2.5, True, None, ["a", 1], {"a": [1], "b": Unwritten("no")}, Unwritten(None), {},
                  {"a": Unclear("torn"), "b": Idle([22]), "c": Idle(True)}):  # fmt: skip
        assert read_observed(json.loads(json.dumps(plain_observed(value)))) == value


ENDINGS = {
    "raises": ("unknown", "check-bug"),
    "leaves": ("unknown", "check-bug"),
    "dies": ("unknown", "check-bug"),
    "hangs": ("unknown", "check-bug"),
    "eats": ("unknown", "check-bug"),
    "odd": ("unknown", "check-bug"),
    "much": ("unknown", "check-bug"),
    "forks": ("unknown", "check-bug"),
    "stays": ("unknown", "check-bug"),
    "talks": ("pass", ""),
}


@pytest.mark.fault("I12")
def test_a_run_judges_everything_else_whatever_checks_do(folder: Path, tmp_path: Path) -> None:
    """Each kind of ending, and two controls of one check that takes away what it was given."""
    fact = "given: {{path: /etc/hostname}}, expect: {{equals: quiet}}"
    lines = [f"check: own.bad.{name}, {fact.format()}" for name in ENDINGS]
    (tmp_path / "settings").write_text("a = 1\nb = 1\n")
    lines += [
        f"check: site.taking.{name}, given: {{key: a}}, expect: {{equals: '1'}}" for name in ("take", "take", "look")
    ]
    controls = "".join(f"  - {{id: C-{n:02}, title: T, why: W., fix: F., {line}}}\n" for n, line in enumerate(lines))
    (tmp_path / "own.yaml").write_text(
        f'id: own\nversion: "1"\ntitle: Own\napplies_to: {{kind: linux}}\ncontrols:\n{controls}'
    )
    (tmp_path / "more" / "site").mkdir(parents=True)
    (tmp_path / "more" / "site" / "taking.py").write_text(TAKING.replace("{file}", str(tmp_path / "settings")))
    (tmp_path / "inventory.yaml").write_text(
        "version: 1\nassets: {here: {access: {local: {sudo: never}}, baselines: [own]}}\n"
    )
    words = ["-i", "inventory.yaml", "--checks", str(folder), "--checks", "more", "--baselines", "own.yaml"]
    took = bounded(tmp_path, "scan", *words, "--no-record", "-f", "json")
    found = [(one["outcome"], one["reason"]) for one in json.loads(took.stdout)["findings"]]
    assert found == [*ENDINGS.values(), ("pass", ""), ("pass", ""), ("pass", "")], took.stderr
    assert (took.code, took.peak_mib < 512) == (4, True)


TAKING = """
from scanner import Fact, check, file, parse
SETTINGS = Fact(file("{file}"), parse.key_values)

@check("site.taking.take", SETTINGS)
def take(settings: dict[str, str], key: str) -> str:
    return settings.pop(key)

@check("site.taking.look", SETTINGS)
def look(settings: dict[str, str], key: str) -> str:
    return settings[key]
"""


HEAD = """from scanner import Fact, check, file
TEXT = Fact(file("/etc/hostname"), str)
"""
OWN = """
@check("site.own.a", TEXT)
def a(text: str) -> str:
    return text
"""


@pytest.mark.fault("I12")
@pytest.mark.parametrize(
    ("files", "asked", "said"),
    [
        (
            ["one/site/own.py", "two/site/own.py"],
            "site.own.a",
            r"the checks site\.own\.\* stand in .*one/site/own\.py and in .*two/site",
        ),
        (
            ["one/linux/sshd.py"],
            "linux.sshd.setting",
            r"the checks linux\.sshd\.\* stand in .*one/linux/sshd\.py and in .*sshd",
        ),
        (["one/site/other.py"], "site.other.a", r"'site\.other\.a' calls itself 'site\.own\.a'; give it its own id"),
        (
            ["one/site/twice.py"],
            "site.twice.a",
            r"line 9: the check 'site\.own\.a' stands there twice; first on line 5",
        ),
    ],
)
def test_an_id_that_stands_twice_is_refused_with_both_places(
    tmp_path: Path, files: list[str], asked: str, said: str
) -> None:
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(HEAD + OWN * (2 if "twice" in name else 1))
    words = [word for name in files for word in ("--checks", name.partition("/")[0])]
    took = bounded(tmp_path, "check", "show", asked, *words)
    assert (took.code, took.stdout) == (2, "")
    assert re.search(said, took.stderr), took.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder `more` with a check, below which nobody else may write."""
    (tmp_path / "more" / "site").mkdir(parents=True)
    (tmp_path / "more" / "site" / "own.py").write_text(HEAD + OWN)
    for one in (tmp_path, *tmp_path.rglob("*")):
        one.chmod(0o755 if one.is_dir() else 0o644)
    return tmp_path


def shown(place: Path) -> Took:
    return bounded(place, "check", "show", "site.own.a", "--checks", "more")


@pytest.mark.fault("I5")
@pytest.mark.parametrize(
    ("what", "mode"),
    [("more", 0o775), ("more", 0o757), ("more/site", 0o775), ("more/site", 0o777),
     ("more/site/own.py", 0o664), ("more/site/own.py", 0o646)],
)  # fmt: skip
def test_checks_that_others_may_write_are_not_run(place: Path, what: str, mode: int) -> None:
    assert shown(place).code == 0
    (place / what).chmod(mode)
    took = shown(place)
    assert (took.code, took.stdout) == (2, "")
    assert re.search(
        rf"riskline: \S*{what}: others may write to it, so its code is not run; run: chmod go-w", took.stderr
    )


@pytest.mark.fault("I5")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["more", "more/site", "more/site/own.py"])
def test_checks_that_belong_to_somebody_else_are_not_run(place: Path, what: str) -> None:
    os.chown(place / what, 65534, 65534)
    took = shown(place)
    assert (took.code, took.stdout) == (2, "")
    assert re.search(rf"riskline: \S*{what}: belongs to another user, so its code is not run", took.stderr)


@pytest.mark.fault("I5")
def test_what_was_compiled_by_somebody_else_is_not_run(place: Path) -> None:
    source = place / "more" / "site" / "own.py"
    good, at = source.read_text(), source.stat()
    source.write_text(good.replace("return text", "return 'ha'"))
    compiled = py_compile.compile(str(source), doraise=True)
    assert compiled
    source.write_text(good)
    os.utime(source, ns=(at.st_atime_ns, at.st_mtime_ns))
    planted = bytearray(Path(compiled).read_bytes())
    planted[8:16] = int(at.st_mtime).to_bytes(4, "little") + len(good).to_bytes(4, "little")
    Path(compiled).write_bytes(planted)
    made = Worker(str(place / "more")).module("site.own", source)
    assert made.a.observe("mine") == "mine"


@pytest.mark.fault("I5")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe = 1\n", "SyntaxError"),
        ((HEAD + OWN).encode("utf-16"), "SyntaxError"),
        (b"a = 1\0\n", "ValueError|SyntaxError"),
        (b"a" * 10_000_000 + b"(" * 1000, "cannot be imported: "),
        (b"(" * 100_000, "cannot be imported: "),
    ],
)
def test_a_module_that_is_no_text_is_refused_with_its_file(place: Path, content: bytes, said: str) -> None:
    (place / "more" / "site" / "own.py").write_bytes(content)
    took = shown(place)
    assert (took.code, took.stdout) == (2, "")
    assert re.search(rf"more/site/own\.py: cannot be imported: .*({said})|{said}", took.stderr)
    assert "Traceback" not in took.stderr
    assert took.peak_mib < 256


@pytest.mark.fault("I5")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--checks", "none"], "none: No such file or directory"),
        (["--baselines", "none"], "none: there is no such baseline file or folder"),
        (["-b", "none.yaml"], "there is no baseline 'none.yaml'"),
        (["--policy", "none.yaml"], "none.yaml: No such file or directory"),
    ],
)
def test_a_file_or_folder_that_is_not_there_is_named_before_a_scan(place: Path, words: list[str], said: str) -> None:
    (place / "inventory.yaml").write_text("assets: {here: {access: {local: {sudo: never}}}}\n")
    took = bounded(place, "scan", "-i", "inventory.yaml", "--register", "r.db", *words)
    assert (took.code, took.stdout) == (2, "")
    assert said in took.stderr
    assert not (place / "r.db").exists()


PACKAGE = """
import os, sys
from scanner import Fact, check, file, parse
print("hello from the package")
SETTINGS = Fact(file("{file}"), parse.key_values)

@check("acme.own.take", SETTINGS)
def take(settings: dict[str, str], keys: list[str]) -> str:
    print("hello from a check")
    return settings.pop(keys.pop())

@check("acme.own.look", SETTINGS)
def look(settings: dict[str, str]) -> str:
    return settings["a"]

@check("acme.own.leaves", SETTINGS)
def leaves(settings: dict[str, str]) -> str:
    sys.exit(0)

@check("acme.own.eats", SETTINGS)
def eats(settings: dict[str, str]) -> str:
    return "x" * (4 << 30)

@check("acme.own.sees", SETTINGS)
def sees(settings: dict[str, str]) -> str:
    return os.environ.get("RISKLINE_CANARY", "1")

@check("acme.own.raises", Fact(file("{file}"), lambda text: sys.exit(0)))
def raises(text: str) -> str:
    return text
"""


def installed(folder: Path, text: str) -> dict[str, str]:
    """A package in a folder of its own, as pip would leave it; the environment that has it."""
    (folder / "place" / "acme_checks").mkdir(parents=True)
    (folder / "place" / "acme-1.0.dist-info").mkdir()
    (folder / "place" / "acme-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n"
    )
    points = "[riskline.checks]\nacme = acme_checks\n"
    (folder / "place" / "acme-1.0.dist-info" / "entry_points.txt").write_text(points)
    (folder / "place" / "acme_checks" / "__init__.py").write_text("")
    (folder / "place" / "acme_checks" / "own.py").write_text(text)
    return {"PYTHONPATH": f"{Path(__file__).parent.parent}:{folder / 'place'}"}


@pytest.mark.fault("I12")
def test_checks_of_an_installed_package_neither_end_a_run_nor_get_into_its_report(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("a = 1\n")
    has = installed(tmp_path, PACKAGE.replace("{file}", str(tmp_path / "settings")))
    taking = "check: acme.own.take, given: {keys: [a]}, expect: {equals: '1'}"
    plain = "check: acme.own.%s, expect: {equals: '1'}"
    lines = [taking, taking, *(plain % name for name in ("look", "sees", "leaves", "eats", "raises"))]
    controls = "".join(f"  - {{id: C-{n}, title: T, why: W., fix: F., {line}}}\n" for n, line in enumerate(lines))
    (tmp_path / "own.yaml").write_text(
        f'id: own\nversion: "1"\ntitle: Own\napplies_to: {{kind: linux}}\ncontrols:\n{controls}'
    )
    assets = "".join(f"  h{n}: {{access: {{local: {{sudo: never}}}}}}\n" for n in range(2))
    (tmp_path / "inventory.yaml").write_text(f"assets:\n{assets}")
    words = [
        "-i",
        "inventory.yaml",
        "--baselines",
        "own.yaml",
        "-b",
        "own",
        "--no-record",
        "-f",
        "json",
        "--at-once",
        "1",
    ]
    took = bounded(tmp_path, "scan", *words, RISKLINE_CANARY="seen", **has)
    found = [(one["outcome"], one["reason"]) for one in json.loads(took.stdout)["findings"]]
    assert found == [*[("pass", "")] * 4, *[("unknown", "check-bug")] * 3] * 2, took.stderr
    assert took.code == 4
    assert "hello" not in took.stdout + took.stderr


@pytest.mark.fault("I12")
def test_a_check_of_an_installed_package_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = HEAD + '@check("acme.own.hangs", TEXT)\ndef hangs(text: str) -> str:\n    while True:\n        pass\n'
    installed(tmp_path, hanging)
    monkeypatch.syspath_prepend(str(tmp_path / "place"))
    points.cache_clear()
    try:
        found = Catalogue()
        check = found.check("acme.own.hangs")
    finally:
        points.cache_clear()
    found._workers["acme"].limit_s = 0.5
    with pytest.raises(CheckEnded, match=r"longer than 0\.5 s"):
        check.observe("x")
    assert not {"acme_checks", "acme_checks.own"} & set(sys.modules)


@pytest.mark.fault("I12")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("raise SystemExit(0)", "it ended its process: by exit"),
        ("def f(:", "SyntaxError: "),
        ("1 / 0", "ZeroDivisionError: "),
    ],
)
def test_an_installed_package_that_cannot_be_imported_is_named(tmp_path: Path, text: str, said: str) -> None:
    took = bounded(tmp_path, "check", "show", "acme.own.look", **installed(tmp_path, text))
    assert (took.code, took.stdout) == (2, "")
    assert "the installed package of entry point 'acme': " in took.stderr
    assert f"acme_checks/own.py: cannot be imported: {said}" in took.stderr


def test_a_folder_that_is_called_as_an_entry_point_is_has_a_process_of_its_own(tmp_path: Path) -> None:
    has = installed(tmp_path, HEAD + OWN.replace("site.own", "acme.own"))
    (tmp_path / "acme" / "site").mkdir(parents=True)
    (tmp_path / "acme" / "site" / "own.py").write_text(HEAD + OWN)
    for id in ("acme.own.a", "site.own.a"):
        took = bounded(tmp_path, "check", "show", id, "--checks", "acme", **has)
        assert (took.code, took.stderr) == (0, ""), took.stdout


@pytest.mark.fault("I12")
def test_an_entry_point_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    has = installed(tmp_path, HEAD)
    points = tmp_path / "place" / "acme-1.0.dist-info" / "entry_points.txt"
    points.write_text("[riskline.checks]\nacme = gone.checks\n")
    took = bounded(tmp_path, "check", "show", "acme.own.look", **has)
    assert (took.code, took.stdout) == (2, "")
    assert "the installed package of entry point 'acme' has no module 'gone.checks'" in took.stderr


@pytest.mark.fault("I12")
def test_an_installed_package_and_a_folder_with_checks_of_one_id_are_refused(tmp_path: Path) -> None:
    has = installed(tmp_path, HEAD)
    (tmp_path / "more" / "acme").mkdir(parents=True)
    (tmp_path / "more" / "acme" / "own.py").write_text(HEAD)
    took = bounded(tmp_path, "check", "show", "acme.own.a", "--checks", "more", **has)
    assert took.code == 2
    assert re.search(r"the checks acme\.own\.\* stand in .*more/acme/own\.py and in .*acme_checks/own\.py", took.stderr)


@pytest.mark.fault("I12")
def test_a_run_goes_on_past_a_check_that_ends_its_process(folder: Path, tmp_path: Path) -> None:
    term = "check: own.bad.{}, given: {{path: /etc/hostname}}, expect: {{equals: quiet}}"
    controls = "".join(
        f"  - {{id: {name.upper()}, title: T, why: W., fix: F., {term.format(name)}}}\n" for name in ("leaves", "talks")
    )
    (tmp_path / "own.yaml").write_text(
        f'id: own\nversion: "1"\ntitle: Own\napplies_to: {{kind: linux}}\ncontrols:\n{controls}'
    )
    (tmp_path / "inventory.yaml").write_text(
        "version: 1\nassets: {here: {access: {local: {sudo: never}}, baselines: [own]}}\n"
    )
    words = ["scan", "-i", "inventory.yaml", "--checks", str(folder), "--baselines", "own.yaml", "--no-record"]
    done = subprocess.run(
        [sys.executable, "-m", "scanner.cli", *words, "-f", "json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = {one["control"]: (one["outcome"], one["reason"]) for one in json.loads(done.stdout)["findings"]}
    assert found == {"LEAVES": ("unknown", "check-bug"), "TALKS": ("pass", "")}, done.stderr
    assert done.returncode == 4
