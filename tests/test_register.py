"""The register in a SQLite file: the contract, and what only a file can get wrong."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import pipeline
from scanner.errors import LockedError, RegisterError, UsageError
from scanner.model import Evidence, Finding, Gap, Outcome, Reply
from scanner.redaction import read_salt
from scanner.register import codec, database, listing, open_register
from scanner.score import Policy

from .faulty_disk import mounted
from .register_contract import FIRST_DAY, RegisterContract, begun, changes, fail, record, visit


class TestSqlite(RegisterContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return str(tmp_path / "made" / "for it" / "50% register.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "register.db"


# ── who may read it ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("S6")
def test_only_its_owner_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        register = open_register(str(tmp_path / "new" / "folder" / "register.db"))
        record(register, 0, {"a": [fail("ssh")]})
        with register.lock():
            modes = {
                place.relative_to(tmp_path).name: stat.S_IMODE(place.stat().st_mode)
                for place in (tmp_path / "new").rglob("*")
            }
        register.close()
    finally:
        os.umask(before)
    assert modes.pop("folder") == stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert {"register.db", "register.db-wal", "register.db.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}


@pytest.mark.fault("S6")
def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    open_register(str(path)).close()
    path.chmod(0o644)
    open_register(str(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
@pytest.mark.fault("S6")
def test_a_register_that_somebody_planted_is_refused_and_one_of_a_user_closed(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.mkdir()
    path = place / "register.db"
    open_register(str(path)).close()
    os.chown(path, 61000, 61000)
    path.chmod(0o666)
    with pytest.raises(UsageError, match="belongs to another user"):
        open_register(str(path))
    os.chown(place, 61000, 61000)
    open_register(str(path)).close()
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (61000, 0o600)
    path.chmod(0o666)
    place.chmod(0o777)
    program = "import sys; from scanner.register import open_register; open_register(sys.argv[1])"
    words = ["setpriv", "--bounding-set=-fowner", sys.executable, "-c", program, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "UsageError" in done.stderr and "is open to other users" in done.stderr


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal", ".lock"])
@pytest.mark.fault("S7")
def test_a_symbolic_link_in_its_place_is_refused(tmp_path: Path, suffix: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    link = tmp_path / f"register.db{suffix}"
    link.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="symbolic link"):
        open_register(str(tmp_path / "register.db"))
    assert elsewhere.read_bytes() == b"precious"


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be used as the register"):
        open_register(str(tmp_path))


@pytest.mark.parametrize("content", [b"no database at all " * 100, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_file_that_is_something_else_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises((UsageError, RegisterError), match=r"register\.db"):
        open_register(str(path))
    assert path.read_bytes() == content


@pytest.mark.fault("S5")
def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    with pytest.raises(UsageError, match="another program"):
        open_register(str(path))
    with sqlite3.connect(path) as again:
        assert [name for (name,) in again.execute("SELECT name FROM sqlite_master")] == ["bookmarks"]


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "postgresql://u:secret@h:port/d", "sqlite://", "://"])
def test_a_url_that_is_no_register_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_register(url)
    assert "secret" not in str(refused.value)


@pytest.mark.fault("S5")
def test_a_damaged_page_is_an_error_with_a_name(path: Path) -> None:
    register = open_register(str(path))
    record(register, 0, {f"a{i}": [fail("ssh", str(n)) for n in range(50)] for i in range(5)})
    register.close()
    with path.open("r+b") as opened:
        opened.seek(8192)
        opened.write(os.urandom(path.stat().st_size - 8192))
    damaged = open_register(str(path))
    with pytest.raises(RegisterError, match=r"register\.db"):
        damaged.verify()
    damaged.close()


@pytest.mark.fault("S5")
def test_a_register_that_was_emptied_is_told_and_none_begins_in_its_place(path: Path) -> None:
    path.touch()
    register = open_register(str(path))  # an empty file says nothing of a register
    record(register, 0, {"a": [fail("ssh")]})
    read_salt(Path(f"{path}.salt"))  # as a scan does
    register.close()
    path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(RegisterError, match=r"is empty, though runs were kept in it: register\.db\.salt"):
            open_register(str(path))
    path.unlink()
    open_register(str(path)).close()


@pytest.mark.parametrize("left", [1, 50, 100, 4096, 40_000, -100])
@pytest.mark.fault("S5")
def test_a_register_that_was_cut_is_named_and_left_as_it_is(path: Path, left: int) -> None:
    register = open_register(str(path))
    record(register, 0, {f"a{i}": [fail("ssh", str(n)) for n in range(50)] for i in range(5)})
    register.close()
    cut = path.read_bytes()[:left]
    path.write_bytes(cut)
    try:
        opened = open_register(str(path))
        told = opened.verify()
    except (UsageError, RegisterError) as error:
        told = [str(error)] if "register.db" in str(error) else []
    assert told
    assert path.read_bytes() == cut


@pytest.mark.fault("S5")
def test_a_log_of_writes_that_was_cut_loses_its_end_and_nothing_before(tmp_path: Path, path: Path) -> None:
    register = open_register(str(path))
    for day in range(4):
        record(register, day, {f"a{i}": [fail("ssh", str(n)) for n in range(20)] for i in range(5)})
    files = {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal")}
    known = {one.id: register.run(one.id) for one in register.runs()}
    register.close()
    counts = []
    for part in range(1, 9):
        copy = tmp_path / f"copy{part}" / "register.db"
        copy.parent.mkdir()
        copy.write_bytes(files[""])
        Path(f"{copy}-wal").write_bytes(files["-wal"][: len(files["-wal"]) * part // 8])
        opened = open_register(str(copy))
        assert opened.verify() == []
        complete = [one.id for one in opened.runs() if one.state == "complete"]
        assert all(opened.run(id) == known[id] for id in complete)
        counts.append(len(complete))
        opened.close()
    assert counts == sorted(counts) and counts[-1] == 4 and counts[0] < 4


# ── what may happen to a writer ──────────────────────────────────────────────────────────────────────────────────────

WRITER = """
import sys
from scanner.register import open_register
from tests.register_contract import begun, fail, ok, visit

register = open_register(sys.argv[1])
with register.lock():
    run = begun("run-0")
    register.begin(run)
    done = {one.asset.id for one in register.run("run-0").visited}
    for number in range(int(sys.argv[2])):
        name = f"host{number:03d}"
        if name not in done:
            register.store(run.id, *visit(name, [fail("ssh"), fail("users", "bob"), ok("both")], 0))
            print(name, flush=True)
"""


def writer(path: Path, hosts: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(hosts)], stdout=subprocess.PIPE, text=True)


@pytest.mark.fault("S1")
def test_a_run_killed_at_any_moment_loses_nothing_that_was_stored_and_can_go_on(path: Path) -> None:
    hosts, draw = 60, random.Random(6)
    stored: set[str] = set()
    for _ in range(4):
        child = writer(path, hosts)
        assert child.stdout is not None
        for _ in range(draw.randrange(1, 12)):
            stored.add(child.stdout.readline().strip())
        time.sleep(draw.random() / 100)
        child.send_signal(signal.SIGKILL)
        stored |= set(child.stdout.read().split())
        child.wait()
        child.stdout.close()
        register = open_register(str(path))
        with register.lock():
            held = {one.asset.id for one in register.run("run-0").visited}
            assert stored - {""} <= held
            assert register.verify() == []
        register.close()
    last = writer(path, hosts)
    said, _ = last.communicate(timeout=60)
    assert last.returncode == 0
    assert not set(said.split()) & held, "an asset was visited twice"
    register = open_register(str(path))
    assert [one.asset.id for one in register.run("run-0").visited] == [f"host{n:03d}" for n in range(hosts)]
    assert changes(register) == ["opened"] * 2 * hosts
    assert register.verify() == []
    register.close()


@pytest.mark.fault("S7")
@pytest.mark.parametrize("planted", ["hard link", "pipe", "folder"])
@pytest.mark.timeout(20)
def test_what_was_planted_in_the_place_of_the_lock_is_refused_and_untouched(path: Path, planted: str) -> None:
    place, other = Path(f"{path}.lock"), path.parent / "other"
    other.write_text("somebody's")
    if planted == "pipe":
        os.mkfifo(place)
    elif planted == "folder":
        place.mkdir()
    else:
        place.hardlink_to(other)
    register = open_register(str(path))
    with pytest.raises(UsageError, match="as a lock"), register.lock():
        pytest.fail("was taken")
    register.close()
    assert other.read_text() == "somebody's"


@pytest.mark.fault("S4")
def test_the_lock_of_a_killed_run_is_free_again_and_names_its_holder_before(path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from scanner.register import open_register
        with open_register(sys.argv[1]).lock():
            print("held", flush=True)
            time.sleep(60)
    """)
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    register = open_register(str(path))
    with pytest.raises(LockedError, match=f"process {child.pid}"), register.lock():
        pytest.fail("two held the lock")
    child.kill()
    child.wait()
    child.stdout.close()
    with register.lock():
        assert register.runs() == []
    register.close()


def test_a_database_that_another_program_holds_is_locked_and_unchanged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0)
    register = open_register(str(path))
    record(register, 0, {"a": [fail("ssh")]})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LockedError, match="another program"):
        register.begin(begun("run-1", 1))
    other.execute("ROLLBACK")
    other.close()
    register.begin(begun("run-1", 1))
    assert [run.id for run in register.runs()] == ["run-1", "run-0"]
    register.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    with mounted("tmpfs", tmp_path / "small", "size=2m") as place:
        yield place


@pytest.mark.fault("S2")
def test_a_full_disk_is_said_plainly_and_keeps_what_was_stored(small_disk: Path) -> None:
    register = open_register(str(small_disk / "register.db"))
    run = begun("run-0")
    register.begin(run)
    stored = []
    draw = random.Random(1)
    with pytest.raises(RegisterError, match="full"):
        for number in range(1000):
            visited, evidence = visit(f"host{number}", [fail("ssh")], 0)
            noise = Reply("".join(chr(draw.randrange(32, 127)) for _ in range(20_000)))
            evidence = Evidence(evidence.asset, FIRST_DAY, "0", {"posix:noise": noise})
            register.store(run.id, visited, evidence)
            stored.append(visited)
    assert len(stored) > 10
    assert {one.asset.id for one in register.run("run-0").visited} == {one.asset.id for one in stored}
    assert register.verify() == []
    register.close()


def test_nothing_heavy_is_imported_before_the_register_is_needed() -> None:
    script = "import sys, scanner.cli, scanner.pipeline; print(*({'sqlalchemy', 'alembic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_an_open_register_needs_no_migration_tool(path: Path) -> None:
    open_register(str(path)).close()
    script = (
        "import sys; from scanner.register import *; open_register(sys.argv[1]).runs(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_list_of_runs_needs_nothing_heavy_and_is_the_registers_own(path: Path) -> None:
    register = open_register(str(path))
    record(register, 0, {"a": [fail("ssh")], "b": []})
    record(register, 1, {"a": []})
    register.begin(begun("run-2", 2))
    assert listing.runs_in_file(str(path), 20) == listing.runs_in_file(f"sqlite:///{path}", 20) == register.runs()
    assert listing.runs_in_file(str(path), 1) == register.runs(1)
    register.close()
    script = """
import sys
from scanner.cli import main
try:
    main(["runs", "--register", sys.argv[1]])
except SystemExit:
    print({"sqlalchemy", "pydantic", "yaml", "paramiko", "boto3"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert "run-2" in done.stdout
    assert done.stdout.endswith("set()\n")


def test_what_has_more_to_say_than_a_list_of_runs_is_left_to_the_register(path: Path) -> None:
    assert listing.runs_in_file(str(path), 20) is None
    path.write_text("no database at all" * 100)
    assert listing.runs_in_file(str(path), 20) is None
    path.unlink()
    open_register(str(path)).close()
    assert listing.runs_in_file(str(path), 20) == []
    raw = sqlite3.connect(path)
    raw.execute("UPDATE alembic_version SET version_num = '0001'")
    raw.commit()
    raw.close()
    assert listing.runs_in_file(str(path), 20) is None
    assert listing.runs_in_file("postgresql://nobody@127.0.0.1/none", 20) is None


def test_a_run_whose_findings_did_not_change_writes_little(path: Path) -> None:
    """Runs that share findings share what is stored: the file grows by less than a tenth of the first run."""
    register = open_register(str(path))
    hosts = {f"host{n}": [fail("users", f"user{i}", detail=f"{n}-{i}") for i in range(100)] for n in range(20)}
    sizes = []
    for day in range(3):
        run = begun(f"run-{day}", day)
        register.begin(run)
        visits = [visit(name, found, 0)[0] for name, found in hosts.items()]
        for visited in visits:
            register.store(run.id, visited, None)
        register.finish(pipeline.finish(run, visits, Policy(), "complete"))
        with register.database.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        sizes.append(int(pages))
    register.close()
    assert sizes[2] - sizes[1] < sizes[0] / 10


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
findings = st.builds(
    Finding,
    st.just("a"),
    *[any_text] * 3,
    st.sampled_from(Outcome),
    *[any_text] * 4,
    weakness=st.floats(0, 1),
)
replies = st.builds(
    Reply,
    any_text | st.integers(4000, 4200).map(lambda size: "\udc80x" * (size // 2)),
    st.sampled_from([None, "denied", "absent"]),
    any_text,
    st.floats(0, 100),
    st.lists(st.builds(Gap, any_text, st.just("denied"), any_text)).map(tuple),
)


@given(st.lists(findings, max_size=5).map(tuple))
def test_any_findings_come_back_equal(found: tuple[Finding, ...]) -> None:
    body = codec.pack(codec.packed_findings(found))
    assert codec.findings_of("a", codec.unpack(body)) == found


@given(st.dictionaries(any_text, replies, max_size=4), st.dictionaries(any_text, any_text))
def test_any_evidence_comes_back_equal(answers: dict[str, Reply], failures: dict[str, str]) -> None:
    evidence = Evidence("a", FIRST_DAY, "0.1", answers, failures, "digest")
    body, took_s, apart = codec.packed_evidence(evidence)
    stored = codec.unpack(codec.pack(body))
    texts = {name.hex(): codec.unpack(codec.squeeze(text)) for name, text in apart.items()}
    assert set(codec.texts_apart(stored)) == set(texts)
    assert codec.evidence_of("a", FIRST_DAY.isoformat(), "0.1", stored, took_s, texts) == evidence


@given(any_text)
def test_a_column_takes_any_text(text: str) -> None:
    shown = codec.column(text)
    assert "\x00" not in shown
    assert codec.column(shown) == shown
    shown.encode()


def test_a_stored_value_of_another_release_is_read_by_its_defaults() -> None:
    stored = {**codec.plain(Reply("text")), "of a later release": 1}
    del stored["detail"]
    assert codec.revive(Reply, stored) == Reply("text")
