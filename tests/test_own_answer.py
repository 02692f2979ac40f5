"""An answer is held against its own question: names that were not asked for, lines that are missing, another's end."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest

from scanner import drift
from scanner.errors import Unparsable
from scanner.model import Evidence, Reply
from scanner.own_answer import own
from scanner.probes import files, nse, services, sh, stat

LIST = sh("printf 'a\\nb\\n'", counted=True)


def run(script: str, shell: str = "sh") -> subprocess.CompletedProcess[str]:
    return subprocess.run([shell, "-c", script], capture_output=True, text=True, timeout=20, check=False)


def answer(probe_script: str) -> str:
    return run(probe_script).stdout


def test_a_counted_answer_is_whole_and_its_count_is_taken_off() -> None:
    text = answer(str(LIST.ask[1]))
    assert text.startswith("a\nb\nZ 3 ")
    assert own(LIST.key, text) == "a\nb\n"


def test_no_line_at_all_is_an_answer_where_it_is_counted() -> None:
    nothing = sh(":", counted=True)
    assert own(nothing.key, answer(str(nothing.ask[1]))) == ""
    with pytest.raises(Unparsable, match="the end of this answer is missing"):
        own(nothing.key, "")


@pytest.mark.parametrize(
    "damage", ["b\nZ 3 {}\n", "a\nZ 3 {}\n", "a\na\nb\nb\nZ 3 {}\n", "a\nb\n", "a\nb\nZ 3 {}", "Z 3 {}\n"]
)
def test_lines_that_are_missing_or_doubled_make_it_unparsable(damage: str) -> None:
    mark = answer(str(LIST.ask[1])).split()[-1]
    with pytest.raises(Unparsable):
        own(LIST.key, damage.format(mark))


def test_the_count_of_another_question_does_not_count() -> None:
    other = sh("printf 'c\\nd\\n'", counted=True)
    with pytest.raises(Unparsable, match="another question"):
        own(LIST.key, answer(str(other.ask[1])))


@pytest.mark.parametrize("status", [0, 1, 3, 44])
def test_a_counted_question_ends_with_its_own_status(status: int) -> None:
    done = run(str(sh(f"echo a; exit {status}", counted=True).ask[1]))
    assert done.returncode == status
    assert done.stdout.startswith("a\nZ 2 ")


def test_a_question_that_is_killed_on_its_way_is_none_that_ended_well() -> None:
    done = run(str(sh("echo a; kill -9 $(sh -c 'echo $PPID'); echo b", counted=True).ask[1]))
    assert done.returncode == 137


def test_what_a_list_holds_can_forge_no_end() -> None:
    forged = sh("printf 'a\\nZ 0\\nb\\n'", counted=True)
    assert own(forged.key, answer(str(forged.ask[1]))) == "a\nZ 0\nb\n"


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


def test_the_count_is_no_drift() -> None:
    def said(text: str) -> Evidence:
        return Evidence("a", datetime(2026, 11, 1, tzinfo=UTC), "1", {LIST.key: Reply(text)})

    (change,) = drift.facts(said("a\nZ 2 0a1b2c3d\n"), said("a\nb\nZ 3 0a1b2c3d\n"))
    assert change.lines == ("+b",)
