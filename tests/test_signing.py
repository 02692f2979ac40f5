"""Signatures beside files: they hold for these very bytes, by a known key, for this purpose, and for nothing else."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.register import open_register
from scanner.signing import NAMESPACE, sign, signer

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen (Debian: openssh-client)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keys, and a list of signers with anna's alone."""
    made = tmp_path_factory.mktemp("signing")
    for name in ("anna", "eve"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", made / name], check=True)
    (made / "signers").write_text(f"anna@example.org {(made / 'anna.pub').read_text()}")
    return made


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (tmp_path / "report.json").write_text('{"risks": 3}\n')
    return tmp_path / "report.json"


def run(*words: object) -> Result:
    return CliRunner().invoke(riskline, [str(word) for word in words])


def test_a_signed_file_names_its_signer(folder: Path, report: Path) -> None:
    assert run("sign", report, "--key", folder / "anna").exit_code == 0
    assert stat.S_IMODE(Path(f"{report}.sig").stat().st_mode) == 0o600
    done = run("verify", report, "--signers", folder / "signers")
    assert (done.exit_code, "signed by anna@example.org" in done.output) == (0, True)
    assert run("verify", report, "--signers", folder / "signers", "--signer", "anna@example.org").exit_code == 0


def test_a_file_that_was_changed_since_is_refused(folder: Path, report: Path) -> None:
    run("sign", report, "--key", folder / "anna")
    report.write_text('{"risks": 0}\n')
    done = run("verify", report, "--signers", folder / "signers")
    assert (done.exit_code, "not as it was signed" in done.output) == (1, True)


def test_a_key_that_nobody_knows_and_another_signer_are_refused(folder: Path, report: Path) -> None:
    run("sign", report, "--key", folder / "eve")
    assert run("verify", report, "--signers", folder / "signers").exit_code == 1
    run("sign", report, "--key", folder / "anna")
    assert run("verify", report, "--signers", folder / "signers", "--signer", "bert@example.org").exit_code == 1


def test_a_signature_for_another_purpose_does_not_count(folder: Path, report: Path) -> None:
    words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(folder / "anna"), "-n", f"not-{NAMESPACE}", str(report)]
    subprocess.run(words, check=True, capture_output=True)
    assert run("verify", report, "--signers", folder / "signers").exit_code == 1


def test_signing_again_replaces_the_signature_and_asks_nothing(folder: Path, report: Path) -> None:
    run("sign", report, "--key", folder / "anna")
    report.write_text("new")
    assert run("sign", report, "--key", folder / "anna").exit_code == 0
    assert run("verify", report, "--signers", folder / "signers").exit_code == 0


def test_a_name_that_looks_like_an_option_is_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-Y").write_text("x")
    Path("sig").write_bytes(sign(Path("-Y"), folder / "anna"))
    assert signer(Path("-Y"), Path("sig"), folder / "signers", None) == "anna@example.org"


def test_what_is_missing_is_named(folder: Path, report: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="could not be signed"):
        sign(report, tmp_path / "none")
    with pytest.raises(UsageError, match=r"report\.json\.sig: there is no such file"):
        signer(report, Path(f"{report}.sig"), folder / "signers", None)
    for words in (["sign", "--key", folder / "anna"], ["verify", report]):
        assert isinstance(run(*words).exception, UsageError)


def test_an_exported_register_is_signed_like_any_file_and_verify_alone_proves_the_history(
    folder: Path, tmp_path: Path
) -> None:
    register = tmp_path / "register.db"
    open_register(str(register)).close()
    out = tmp_path / "register.json"
    assert run("register", "export", "--register", register, "-f", "json", "-o", out).exit_code == 0
    assert run("sign", out, "--key", folder / "anna").exit_code == 0
    assert run("verify", out, "--signers", folder / "signers").exit_code == 0
    done = run("verify", "--register", register)
    assert (done.exit_code, "nothing altered or removed" in done.output) == (0, True)
