"""What Riskline is made of and from: locked with hashes, told as a bill of materials, the same wheel every time."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "dev.lock"


@pytest.fixture(scope="module")
def runtime() -> ModuleType:
    """requirements/runtime.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("runtime", ROOT / "requirements" / "runtime.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_every_package_is_locked_to_one_version_with_hashes(runtime: ModuleType) -> None:
    known = runtime.pinned(LOCK.read_text())
    assert len(known) > 50
    assert len(known) == len(re.findall(r"^[A-Za-z0-9]", LOCK.read_text(), re.MULTILINE))
    assert [name for name, text in known.items() if "--hash=sha256:" not in text] == []


def test_an_installation_demands_the_hashes() -> None:
    installs = re.findall(r"pip install .*-r requirements\S*", (ROOT / "Makefile").read_text())
    assert installs
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_what_is_needed_at_run_time_is_all_that_is_declared_and_what_that_needs(runtime: ModuleType) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = set(runtime.pinned(runtime.runtime()))
    assert {canonicalize_name(Requirement(line).name) for line in declared} <= names
    assert {"cryptography", "botocore"} <= names, "what they need in turn"
    assert not {"pytest", "mypy", "hypothesis"} & names


def test_the_bill_of_materials_names_each_with_version_and_hash(runtime: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py")
    (tmp_path / "runtime.txt").write_text(runtime.runtime())
    words = ["requirements", str(tmp_path / "runtime.txt"), "--pyproject", str(ROOT / "pyproject.toml")]
    words += ["--output-reproducible", "--of", "JSON", "--validate", "-o", str(tmp_path / "sbom.json")]
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *words], check=True, capture_output=True, timeout=120)
    made = json.loads((tmp_path / "sbom.json").read_text())
    assert (made["bomFormat"], made["metadata"]["component"]["name"]) == ("CycloneDX", "riskline")
    assert {canonicalize_name(one["name"]) for one in made["components"]} == set(runtime.pinned(runtime.runtime()))
    for one in made["components"]:
        assert one["version"] and one["purl"].startswith("pkg:pypi/")
        assert "SHA-256" in {entry["alg"] for place in one["externalReferences"] for entry in place.get("hashes", ())}


def test_the_wheel_built_twice_from_two_folders_is_the_same(tmp_path: Path) -> None:
    """Another folder, other times of change, another umask: the same bytes."""
    first, digests = tmp_path / "copy 0", set()
    for name in ("scanner", "checks", "reports", "baselines"):
        shutil.copytree(ROOT / name, first / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, first / name)
    shutil.copytree(first, tmp_path / "copy 1")
    for number, mask in enumerate((0o022, 0o077)):
        copy = tmp_path / f"copy {number}"
        os.utime(copy / "scanner" / "model.py", (1_000_000_000 + number, 1_000_000_000 + number))
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / f"out{number}")]
        before = os.umask(mask)
        try:
            subprocess.run([*build, str(copy)], check=True, capture_output=True, timeout=120)
        finally:
            os.umask(before)
        (wheel,) = (tmp_path / f"out{number}").glob("*.whl")
        digests.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_each_test_that_the_threat_model_names_exists() -> None:
    known = {
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) >= 15
    assert named - known == set()
