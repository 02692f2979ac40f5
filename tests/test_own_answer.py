"""An answer is held against its own question: names that were not asked for, an end that is missing or another's."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest

from scanner import drift
from scanner.errors import Unparsable
from scanner.model import Evidence, Reply
from scanner.own_answer import own
from scanner.probes import files, nse, services, sh, stat

LIST = sh("printf 'a\\nb\\n'", marked=True)


def run(script: str, shell: str = "sh") -> subprocess.CompletedProcess[str]:
    return subprocess.run([shell, "-c", script], capture_output=True, text=True, timeout=20, check=False)


def answer(probe_script: str) -> str:
    return run(probe_script).stdout


def test_a_marked_answer_is_whole_and_its_mark_is_taken_off() -> None:
    text = answer(str(LIST.ask[1]))
    assert text.startswith("a\nb\n\nZ ")
    assert own(LIST.key, text) == "a\nb\n"


@pytest.mark.parametrize("said", ["", "a", "a\n", "\n", "a\n\n"])
def test_what_was_said_comes_back_as_it_was(said: str) -> None:
    written = said.replace("\n", "\\n")
    probe = sh(f"printf '{written}'", marked=True)
    assert own(probe.key, answer(str(probe.ask[1]))) == said
    with pytest.raises(Unparsable, match="the end of this answer is missing"):
        own(probe.key, said)


@pytest.mark.parametrize("damage", ["a\n", "a\nb\n", "a\nb\n\nZ {}", "a\nb\n\nZ {}\n\n", "a\nb\nZ \n", ""])
def test_an_end_that_is_missing_makes_it_unparsable(damage: str) -> None:
    mark = answer(str(LIST.ask[1])).split()[-1]
    with pytest.raises(Unparsable):
        own(LIST.key, damage.format(mark))


def test_the_end_of_another_question_does_not_count() -> None:
    other = sh("printf 'c\\nd\\n'", marked=True)
    with pytest.raises(Unparsable, match="another question"):
        own(LIST.key, answer(str(other.ask[1])))


@pytest.mark.parametrize("status", [0, 1, 3, 44])
def test_a_marked_question_ends_with_its_own_status(status: int) -> None:
    done = run(str(sh(f"echo a; exit {status}", marked=True).ask[1]))
    assert done.returncode == status
    assert done.stdout.startswith("a\n\nZ ")


def test_a_question_that_is_killed_on_its_way_is_none_that_ended_well() -> None:
    done = run(str(sh("echo a; kill -9 $(sh -c 'echo $PPID'); echo b", marked=True).ask[1]))
    assert done.returncode == 137


def test_what_a_list_holds_can_forge_no_end() -> None:
    forged = sh("printf 'a\\n\\nZ 0a1b2c3d\\nb\\n'", marked=True)
    assert own(forged.key, answer(str(forged.ask[1]))) == "a\n\nZ 0a1b2c3d\nb\n"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (files("/etc/a/*.conf").key, '{"/etc/a/x.conf": "", "/etc/b.conf": ""}'),
        (files("/etc/a/*.conf").key, '{"/etc/a/b/x.conf": ""}'),
        (stat("/etc/x").key, '{"/etc/y": null}'),
        (stat("/etc/x", "/etc/y").key, '{"/etc/y": null}'),
        (nse("sshv1").key, '[{"script": "ssl-cert"}]'),
        (nse("sshv1").key, '[{"host": "h"}]'),
        (services().key, '[{"script": "ssl-cert"}]'),
    ],
)
def test_a_document_that_speaks_of_what_was_not_asked_is_unparsable(key: str, text: str) -> None:
    with pytest.raises(Unparsable, match="another question"):
        own(key, text)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (files("/etc/a/*.conf", "/etc/b").key, '{"/etc/a/x.conf": "", "/etc/b": ""}'),
        (files("/etc/a/*.conf").key, "{}"),
        (stat("/etc/x").key, '{"/etc/x": null}'),
        (nse("sshv1", "ssl-cert").key, '[{"script": "ssl-cert"}]'),
        (services().key, "[]"),
        ("posix:sh uname -r", "6.1.0\n"),
    ],
)
def test_a_document_of_what_was_asked_stays_as_it_is(key: str, text: str) -> None:
    assert own(key, text) == text


def test_the_mark_is_no_drift() -> None:
    def said(text: str) -> Evidence:
        return Evidence("a", datetime(2026, 11, 1, tzinfo=UTC), "1", {LIST.key: Reply(text)})

    (change,) = drift.facts(said("a\n\nZ 0a1b2c3d\n"), said("a\nb\n\nZ 0a1b2c3e\n"))
    assert change.lines == ("+b",)
