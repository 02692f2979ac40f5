"""What the documentation shows is loaded and run: third parties' checks, the published schemas."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from scanner import cli
from scanner.baseline import baseline_schema, read_baseline
from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.compare import WORDS
from scanner.errors import UsageError
from scanner.evaluate import Judge
from scanner.inventory import inventory_schema
from scanner.model import Access, Asset, Inventory, Local, Reply
from scanner.plan import make_plan

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"


def riskline(*words: str, path: Path | None = None, at: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "NO_COLOR": "1"} | ({"PYTHONPATH": str(path)} if path else {})
    argv = [sys.executable, "-m", "scanner.cli", *words]
    return subprocess.run(argv, cwd=at, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """The examples, copied to where nobody else may write."""
    for name in ("checks", "baselines"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    for place in [tmp_path, *tmp_path.rglob("*")]:
        place.chmod(0o700 if place.is_dir() else 0o600)
    return Catalogue((tmp_path / "checks",), (tmp_path / "baselines",))


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ("encrypt = yes\nkeep_days = 60\n", ["pass", "pass"]),
        ("encrypt = no\nkeep_days = 7\n", ["fail", "fail"]),
        ("# nothing\n", ["fail", "fail"]),
        (None, ["fail", "fail"]),
    ],
)
def test_a_folder_of_checks_and_a_folder_of_baselines_judge(
    catalogue: Catalogue, text: str | None, outcomes: list[str]
) -> None:
    host = Inventory("inventory.yaml", (Asset("host", access=Access(local=Local())),))
    (planned,) = make_plan(host, catalogue, ["site"]).assets
    reply = Reply(problem="absent") if text is None else Reply(text)
    replies: Mapping[str, Reply] = dict.fromkeys((p.key for p in planned.visits["local"]), reply)
    assert [f.outcome.value for f in Judge().findings(planned, make_evidence("host", replies, {}))] == outcomes


def test_a_companys_baseline_changes_only_what_it_names(catalogue: Catalogue) -> None:
    own = read_baseline(catalogue.baseline_file("company"), catalogue)
    shipped = read_baseline(catalogue.baseline_file("debian-12"), catalogue)
    assert [c.id for c in own.controls] == [c.id for c in shipped.controls]
    changed = {n: v for n, v in own.parameters.items() if shipped.parameters[n] != v}
    assert changed == {"password_minimum_length": 16}


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_of_checks_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(UsageError, match="chmod go-w"):
        Catalogue((tmp_path,))


def test_a_file_of_checks_that_others_may_write_to_is_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    module = tmp_path / "mine.py"
    module.write_text(f"open({str(witness)!r}, 'w')\n")
    module.chmod(0o666)
    tmp_path.chmod(0o700)
    with pytest.raises(UsageError, match="others may write"):
        Catalogue((tmp_path,)).check("mine.x")
    assert not witness.exists()


def test_an_installed_package_adds_its_checks_and_baselines(tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(EXAMPLES / "riskline-acme", package)
    site = tmp_path / "site"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    subprocess.run([sys.executable, *install, str(site), str(package)], check=True, timeout=120)
    listed = riskline("check", "list", path=site, at=tmp_path).stdout
    assert "acme.motd.text()" in listed
    shown = riskline("baseline", "show", "acme-linux", path=site, at=tmp_path)
    assert "ACME-01" in shown.stdout, shown.stderr
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text("version: 1\nassets: {here: {access: {local: {sudo: never}}}}\n")
    words = ["--inventory", str(inventory), "--baseline", "acme-linux", "--no-record", "--format", "json"]
    scanned = riskline("scan", *words, path=site, at=tmp_path)
    (found,) = json.loads(scanned.stdout)["findings"]
    motd = Path("/etc/motd")
    notice = motd.is_file() and "authorised users only" in motd.read_text(errors="replace")
    assert (found["control"], found["outcome"]) == ("ACME-01", "pass" if notice else "fail")


@pytest.mark.parametrize(("name", "make"), [("inventory", inventory_schema), ("baseline", baseline_schema)])
def test_the_published_schemas_are_current(name: str, make: Any) -> None:
    published = json.loads((DOCS / "schema" / f"{name}.schema.json").read_text())
    assert published == json.loads(json.dumps(make())), f"run: riskline schema {name} > docs/schema/{name}.schema.json"
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("file", sorted([*EXAMPLES.rglob("*.yaml"), *(ROOT / "baselines").rglob("*.yaml")]), ids=str)
def test_every_baseline_file_meets_the_schema(file: Path) -> None:
    jsonschema.validate(_plain(file), baseline_schema())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in (EXAMPLES / "systemd").iterdir():
        text = unit.read_text().replace("/usr/local/bin/riskline", sys.executable)
        (tmp_path / unit.name).write_text(text)
    words = ["systemd-analyze", "verify", *map(str, tmp_path.iterdir())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    weighed = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(tmp_path / "riskline.service")]
    done = subprocess.run(weighed, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, "the service may do more than it needs: " + done.stdout[-300:]


def test_riskline_takes_the_command_of_the_unit_and_of_the_crontab() -> None:
    unit = (EXAMPLES / "systemd" / "riskline.service").read_text().replace("\\\n", " ")
    commands = re.findall(r"^ExecStart=(\S*riskline .*)$", unit, re.M)
    commands += re.findall(r"&& (riskline scan .*?) \|\|", (DOCS / "operations.md").read_text())
    assert len(commands) == 2
    for command in commands:
        _, verb, *words = shlex.split(command)
        found = cli.riskline.get_command(click.Context(cli.riskline), verb)
        assert found is not None
        found.make_context(verb, words)


@pytest.mark.skipif(not shutil.which("logrotate"), reason="needs logrotate")
def test_logrotate_takes_its_file_and_moves_a_log_away(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "scan.log").write_text("{}\n")
    text = (EXAMPLES / "logrotate" / "riskline").read_text().replace("/var/log/riskline", str(tmp_path))
    (tmp_path / "rules").write_text(re.sub(r"su \S+ \S+\n", "", text))
    (tmp_path / "rules").chmod(0o644)
    words = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(tmp_path / "rules")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(one.name for one in tmp_path.glob("scan.log*")) == ["scan.log.1"]


def test_the_documentation_names_every_word_of_expectation() -> None:
    text = (DOCS / "checks.md").read_text()
    assert [word for word in WORDS if f"`{word}`" not in text] == []


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", *DOCS.rglob("*.md")]), ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("quoted", ["checks/site/backup.py"])
def test_code_that_the_documentation_quotes_is_the_example(quoted: str) -> None:
    assert (EXAMPLES / quoted).read_text() in (DOCS / "checks.md").read_text()


class _Words(yaml.SafeLoader):
    """Reads `no` and `yes` as words, as baselines do."""


_Words.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _plain(file: Path) -> Any:
    return yaml.load(file.read_text(), _Words)
