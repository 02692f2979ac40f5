"""Planning: the smallest set of questions, each of them read-only, for exactly the controls that were chosen."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scanner import Given, Unparsable, api, file, parse, powershell, sh
from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.checking import parameters
from scanner.errors import UsageError
from scanner.inventory import read_inventory
from scanner.model import Access, Asset, Aws, Control, Inventory, Local, Network, Organisation, Winrm
from scanner.plan import add_probe, facets, make_plan, peek_kind, read_selection, selected
from scanner.probes import bind, refuse_unsafe

CATALOGUE = Catalogue()
EVERYTHING = Inventory(
    "inventory.yaml",
    (
        Asset("linux", access=Access(local=Local())),
        Asset("windows", address="w", access=Access(winrm=Winrm("u", "env:P"))),
        Asset("cloud", access=Access(aws=Aws())),
        Asset("net", network=Network(("192.0.2.1",))),
        Asset("company", access=Access(organisation=Organisation())),
    ),
)


@pytest.fixture(scope="module")
def plan_of_everything() -> dict[str, set[str]]:
    plan = make_plan(EVERYTHING, CATALOGUE)
    return {a.asset.id: {p.key for probes in a.visits.values() for p in probes} for a in plan.assets}


def test_every_kind_of_asset_has_a_shipped_baseline(plan_of_everything: dict[str, set[str]]) -> None:
    assert {id for id, keys in plan_of_everything.items() if keys} == {"linux", "windows", "cloud", "net", "company"}


WRITES = re.compile(
    r"(^|[;&|(`]|\$\(|\b(?:then|do|else|sudo|xargs|exec|nice|timeout \d+)\b)\s*"
    r"(rm|mv|cp|ln|dd|tee|touch|mkdir|rmdir|chmod|chown|chgrp|install|truncate|mkfs\S*|mount|umount|kill|pkill|reboot|"
    r"shutdown|useradd|userdel|usermod|passwd|chpasswd|apt(?!-config)|apt-get|yum|dnf|pip|curl|wget|nc|ssh|scp|sysctl\s+-w|modprobe)\b"
)


def test_no_question_to_a_posix_host_writes_or_reaches_out(plan_of_everything: dict[str, set[str]]) -> None:
    """A lint, not a proof: no writing program in command position, no redirection to a file."""
    scripts = [key for key in plan_of_everything["linux"] if key.startswith("posix:sh ")]
    assert scripts
    for script in scripts:
        bare = re.sub(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", "''", script)
        assert not WRITES.search(bare), script
        assert re.findall(r">\s*(?!&|/dev/null)[^\s=>]+", bare) == [], script
        assert "find" not in bare or not re.search(r"-(delete|exec\s+rm|fprint|fls)", bare), script


def test_no_question_to_a_cloud_account_writes(plan_of_everything: dict[str, set[str]]) -> None:
    operations = {key.split()[2] for key in plan_of_everything["cloud"] if key.startswith("aws:")}
    assert len(operations) > 20
    reading = re.compile(r"(get|list|describe|lookup|generate_credential_report|search|batch_get)(_|$)")
    assert {name for name in operations if not reading.match(name)} <= {"generate_credential_report"}
    forbidden = {"get_object", "get_secret_value", "get_parameter", "get_parameters", "get_password_data"}
    assert not operations & forbidden


READING_VERBS = {
    *("get", "select", "where", "foreach", "sort", "group", "measure", "test", "convertto", "convertfrom", "join"),
    *("split", "new", "compare", "confirm", "out"),
}


def test_no_question_to_windows_writes(plan_of_everything: dict[str, set[str]]) -> None:
    scripts = [key for key in plan_of_everything["windows"] if key.startswith("windows:powershell ")]
    verbs = {verb.lower() for script in scripts for verb in re.findall(r"\b([A-Za-z]+)-[A-Z][A-Za-z]+", script)}
    assert verbs <= READING_VERBS, verbs - READING_VERBS


@pytest.mark.parametrize("name", sorted(CATALOGUE.baseline_files()))
def test_every_shipped_baseline_is_sound_and_says_what_a_leader_needs(name: str) -> None:
    baseline = read_baseline(CATALOGUE.baseline_file(name), CATALOGUE)
    assert baseline.id == name
    ids = [control.id for control in baseline.controls]
    assert len(ids) == len(set(ids))
    for control in baseline.controls:
        assert control.root_cause, f"{control.id} names no root cause"
        assert control.references, f"{control.id} has no reference"
        assert len(control.why) > 30 and control.why.rstrip().endswith("."), f"{control.id}: why"
        assert len(control.fix) > 10, f"{control.id}: fix"
        assert not re.match(r"(?i)(ensure|verify|make sure|check)\b", control.title), f"{control.id}: title"
    titles = [control.title for control in baseline.controls]
    assert sorted({t for t in titles if titles.count(t) > 1}) == []


@pytest.mark.parametrize("kind", ["linux", "windows", "aws", "network"])
def test_every_check_is_documented_and_has_a_case(kind: str) -> None:
    cases = "".join(file.read_text() for file in (Path(__file__).parent / "cases" / kind).glob("*.yaml"))
    checks = [check for check in CATALOGUE.checks() if check.id.startswith(f"{kind}.")]
    assert checks
    for check in checks:
        assert check.doc, check.id
        assert f"check: {check.id}" in cases, f"{check.id} has no case"


def test_an_equal_question_is_asked_once_in_the_widest_bounds() -> None:
    found: dict[str, object] = {}
    add_probe(found, file("/etc/x", max_bytes=10))  # type: ignore[arg-type]
    add_probe(found, file("/etc/x", sudo=True, max_bytes=99))  # type: ignore[arg-type]
    assert list(found.values()) == [file("/etc/x", sudo=True, max_bytes=99)]


def test_a_question_over_another_ones_list_brings_that_one_along() -> None:
    buckets = api("s3", "list_buckets")
    found: dict[str, object] = {}
    add_probe(found, api("s3", "get_bucket_policy", each=buckets))  # type: ignore[arg-type]
    assert next(iter(found)) == buckets.key


def test_places_in_a_question_are_filled_as_data() -> None:
    assert bind(file(Given("path")), {"path": "/etc/x"}).key == "posix:file /etc/x"
    for hostile in ("/etc/$(id)", "/etc/x; id", "relative", "/etc/x\ny"):
        with pytest.raises(UsageError):
            bind(file(Given("path")), {"path": hostile})


@pytest.mark.parametrize("probe", [sh("id"), powershell("Get-Date"), api("s3", "list_buckets")])
def test_the_constructors_make_questions_that_are_allowed(probe: object) -> None:
    refuse_unsafe(probe)  # type: ignore[arg-type]


CONTROL = Control("SSH-01", "t", "w", "f", "c.d.e", references={"cac": ("a_rule", "b_rule")}, levels=("l1-server",))


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ([], True),
        (["id=SSH-*"], True),
        (["id=SSH-02"], False),
        (["cac=b_rule"], True),
        (["cac=b"], False),
        (["level=l1-server", "cac=a_*"], True),
        (["level=l2-server", "cac=a_*"], False),
        (["cac=x", "cac=a_rule"], True),
        (["check=c.d.e"], True),
        (["pci-dss=*"], False),
    ],
)
def test_a_selection_keeps_what_has_one_value_of_every_key(words: list[str], kept: bool) -> None:
    assert selected(CONTROL, read_selection(words)) is kept


@pytest.mark.parametrize(
    ("words", "conditional"),
    [
        ([], True),
        (["level=l1-server"], True),
        (["cis=6.1.2.*"], True),
        (["cac=journald_disable_forward_to_syslog"], False),
        (["id=LOG-07"], False),
        (["id=*", "cis=6.1.2.2"], False),
    ],
)
def test_one_of_several_ways_is_judged_where_it_was_not_chosen_only_when_asked_for_by_name(
    words: list[str], conditional: bool
) -> None:
    (asset,) = make_plan(EVERYTHING, CATALOGUE, ["debian-12"], words).assets[:1]
    (journal,) = [one for one in asset.baselines[0].controls if one.control.id == "LOG-07"]
    assert bool(journal.when) is conditional


def test_a_selection_without_a_value_is_refused_with_an_example() -> None:
    with pytest.raises(UsageError, match="KEY=VALUE"):
        read_selection(["cac"])


@pytest.mark.fault("I3")
def test_a_selection_that_nothing_meets_is_refused() -> None:
    with pytest.raises(UsageError, match="no control"):
        make_plan(EVERYTHING, CATALOGUE, select=["id=NOPE-1"])


def test_a_control_can_be_found_by_its_cause_and_its_effort() -> None:
    assert facets(CONTROL, "root_cause") == ("SSH-01",)
    assert facets(CONTROL, "effort") == ("hours",)


@pytest.mark.parametrize("text", ["applies_to: {kind: aws}\ncontrols: []\n", "controls: []\napplies_to: {kind: aws}\n"])
def test_a_baselines_kind_is_found_wherever_it_stands(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert peek_kind(tmp_path / "x.yaml") == "aws"


def test_the_named_baseline_replaces_the_assets_own_where_its_kind_fits() -> None:
    plan = make_plan(EVERYTHING, CATALOGUE, ["network"])
    assert {a.asset.id: [b.baseline.id for b in a.baselines] for a in plan.assets} == {
        "linux": [], "windows": [], "cloud": [], "net": ["network"], "company": [],
    }  # fmt: skip


@pytest.mark.fault("I7")
def test_a_check_that_does_not_exist_is_answered_with_the_closest() -> None:
    with pytest.raises(UsageError, match=r"linux\.sshd\.setting"):
        CATALOGUE.check("linux.sshd.seting")


def test_every_parameter_of_every_check_is_named(tmp_path: Path) -> None:
    assert all(name.isidentifier() for check in CATALOGUE.checks() for name in parameters(check))


def test_a_plan_is_the_same_whichever_order_the_inventory_has(tmp_path: Path) -> None:
    one, two = (
        {a.asset.id: a for a in make_plan(Inventory("i", tuple(order)), CATALOGUE).assets}
        for order in (EVERYTHING.assets, reversed(EVERYTHING.assets))
    )
    assert {id: a.visits for id, a in one.items()} == {id: a.visits for id, a in two.items()}


def test_generic_readers_say_what_they_do_not_know() -> None:
    with pytest.raises(Unparsable):
        parse.json("{")
    assert parse.key_values("a = 1\n# b = 2\n") == {"a": "1"}
    assert json.loads('{"a": 1}') == parse.json('{"a": 1}')
    assert read_inventory(Path(__file__).parent.parent / "inventory.example.yaml").assets


ANSWERING = """
id: mine
version: "1"
title: Mine
applies_to: {kind: linux}
extends: debian-12
answers: {house: {"7.10": [MNT-01a, MNT-01b], "7.11": MNT-01a}}
"""


def test_the_requirements_that_a_control_answers_are_its_references(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(ANSWERING)
    baseline = read_baseline(tmp_path / "mine.yaml", Catalogue())
    found = {control.id: control.references.get("house") for control in baseline.controls}
    assert (found["MNT-01a"], found["MNT-01b"], found["MNT-01c"]) == (("7.10", "7.11"), ("7.10",), None)


@pytest.mark.fault("I7")
def test_an_answer_by_no_control_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(ANSWERING.replace("MNT-01b", "MNT-1b"))
    with pytest.raises(UsageError, match=r"mine\.yaml:7: .*no control is called 'MNT-1b'"):
        read_baseline(tmp_path / "mine.yaml", Catalogue())
