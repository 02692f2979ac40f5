"""The wheel, installed in a clean environment, is whole and puts nothing but `scanner` on the path."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (found,) = folder.glob("*.whl")
    return found


def test_only_the_package_and_its_metadata_are_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"scanner", "riskline"}
    shipped = {name for name in names if name.endswith((".yaml", ".html", ".css", ".js", ".py"))}
    for room in ("checks", "reports", "baselines"):
        here = {
            f"scanner/{p.relative_to(ROOT)}" for p in (ROOT / room).rglob("*") if p.suffix in {".yaml", ".py", ".html"}
        }
        assert here <= shipped
    migrations = (ROOT / "scanner" / "register" / "migrations").rglob("*.py")
    assert {str(p.relative_to(ROOT)) for p in migrations} <= shipped


def test_it_runs_from_another_folder_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=120)
    python = tmp_path / "venv" / "bin" / "python"
    install: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install"]
    subprocess.run([*install, "--quiet", "--no-deps", "--no-index", wheel], check=True, timeout=120)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its .pth files are not followed
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | {"HOME": str(tmp_path)}
    command = tmp_path / "venv" / "bin" / "riskline"

    def say(*words: str) -> str:
        done = subprocess.run([command, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    where: list[str | Path] = [python, "-c", "import scanner; print(scanner.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(site))
    assert "linux.sshd.setting(key" in say("check", "list")
    assert "debian-12" in say("baseline", "list")
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text("version: 1\nassets: {here: {access: {local: {sudo: never}}}}\n")
    scan: list[str | Path] = [
        command,
        "scan",
        "--inventory",
        inventory,
        "--register",
        "register.db",
        "--output",
        "report.html",
    ]
    done = subprocess.run(scan, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in {0, 1, 3}, done.stderr
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert "here" in done.stdout
