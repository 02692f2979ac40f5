"""I12: whatever a check of a named folder does, the run loses that check's verdict and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.catalogue import Catalogue, returns
from scanner.checking import accepts, parameters
from scanner.confined import GIVE_UP, CheckEnded, Worker, plain_observed, plain_probe, read_observed, read_probe
from scanner.errors import Absent, NotApplicable, Undetermined, Unparsable, UsageError
from scanner.model import Check, Idle, Unclear, Unwritten
from scanner.probes import api, file, registry, sh

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
    ],
)
@pytest.mark.fault("I12")
def test_what_goes_wrong_is_told_and_the_next_check_is_run(
    catalogue: Catalogue, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(CheckEnded, match=said):
        observe(catalogue, name, str(tmp_path / "file") if name == "writes" else "x")
    assert observe(catalogue, "value", "a=1\n", key="a") == "1"


def test_what_a_check_prints_is_no_answer(catalogue: Catalogue) -> None:
    assert observe(catalogue, "talks") == "quiet"


def test_a_check_sees_nothing_of_our_environment(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKLINE_CANARY", "seen")
    (worker,) = catalogue._workers.values()
    fresh = Worker(worker.folder).module("own.bad", worker.folder / "own" / "bad.py")
    assert fresh.looks.observe("x") == "nothing"


@pytest.mark.fault("I12")
def test_a_check_that_hangs_again_and_again_is_given_up(folder: Path) -> None:
    worker = Worker(folder, limit_s=1.0)
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
        Worker(tmp_path, limit_s=1.0).module("bad", tmp_path / "bad.py")
    assert str(tmp_path / "bad.py") in str(refused.value)


def test_probes_and_observations_come_back_equal() -> None:
    buckets = api("s3", "list_buckets", items="Buckets")
    for probe in (file("/x"), registry(r"HKLM\X", "Y"), sh("x", ok=(0, 1), running=True),
                  api("s3", "get_bucket_policy", params={"Bucket": "Name"}, each=buckets)):  # fmt: skip
        assert read_probe(json.loads(json.dumps(plain_probe(probe)))) == probe
    for value in ("x", 1, 2.5, True, None, ["a", 1], {"a": [1], "b": Unwritten("no")}, Unwritten(None), {},
                  {"a": Unclear("torn"), "b": Idle([22]), "c": Idle(True)}):  # fmt: skip
        assert read_observed(json.loads(json.dumps(plain_observed(value)))) == value


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
