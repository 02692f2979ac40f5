"""One batch for a POSIX host: all probes as one sh script on standard input, which answers in frames.

The script writes nothing on the target, needs nothing but /bin/sh and coreutils or busybox, and gives its commands no
standard input. Every frame starts with a random nonce of 128 bits that no command ever sees, so nothing that a command
prints can end its own frame or forge another's. The end mark of a command travels through the same capped pipe as its
output, so what was cut has no end mark; a file that was cut is longer than it may be. Neither is judged.

    \\n<nonce> HELLO RAW|GZ      once; whatever a login shell printed before it is noise
    \\n<nonce> UID 0             who runs the script (twice where sudo was refused half-way)
    \\n<nonce> PLAN 9f86d0…      the questions that an installed collector puts, by their digest
    \\n<nonce> B 3               begin of probe 3: its output follows …
    \\n<nonce> S 0               … and its exit status; missing when cut
    \\n<nonce> E 3               its error text follows; of several questions together behind the last of them
    \\n<nonce> A 4 | D 5 | X 6 why     proved absent | denied | cannot be read
    \\n<nonce> Q 7               probe 7, of the stat probes, comes next; only where they are put one by one
    \\n<nonce> F /etc/x          one file inside a `files` probe, its text follows
    \\n<nonce> P a|d|mode:uid:gid:user:group:type:path     one path of the stat probes
    \\n<nonce> END               nothing is missing
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from scanner.errors import VisitFailed
from scanner.model import Probe, Reply

from .posix_answers import Answers, Ended, frames_of, readable, silence

_FORMS = ("sh", "file", "files", "stat")
_WILD = re.compile(r"[*?\[]")
COLLECTOR = "/usr/local/sbin/riskline-collect"
"""Where a collector is installed: a folder that only root writes to."""
FILE_S, STAT_S = 10, 20
"""What one file may take, and the modes of all paths together: in seconds."""
ERROR_BYTES = 1 << 16
"""So much error text may several questions have together; where they have more, each is put again alone."""
TOGETHER, ORDINARY_S, QUICK_S = 16, 30, 10
"""So many questions share a limit of time and the reading of their error texts, and none of them may take longer: if
the visit ends there, no more than these are left without an answer. Where they did not end in QUICK_S, they and all
further ones are put one by one, each within its own limit.
"""
DONE = 44  # the inner script's own exit status: tells "sudo refused" (1) from "it ran"

PRELUDE = (
    r"""
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin LC_ALL=C LANG=C TZ=UTC
export PATH LC_ALL LANG TZ
unset ENV BASH_ENV CDPATH IFS LANGUAGE e Q
cd / || exit 1
ulimit -c 0 -f 0 2>/dev/null
renice -n 10 -p $$ >/dev/null 2>&1
exec 5>&1
M= T=1
U=$(id -u)
printf '\n%s UID %s\n' "$N" "$U"
if timeout --version >/dev/null 2>&1; then t() { timeout -k 2 "$@"; }
else
  T=
  g=; setsid true 2>/dev/null && g=setsid
  t() {
    x=$1; shift
    $g "$@" & y=$!
    { sleep "$x"; [ -z "$g" ] || kill -9 -"$y"; kill -9 "$y"; } >/dev/null 2>&1 </dev/null 3>&- 5>&- & z=$!
    wait "$y"; x=$?
    kill "$z" 2>/dev/null
    return "$x"
  }
fi
gone() {
  d=$1
  while [ "$d" != / ]; do
    d=${d%/*}
    [ -n "$d" ] || d=/
    if [ -d "$d" ]; then [ -x "$d" ]; return; fi
    if [ -e "$d" ]; then return 0; fi
  done
  return 1
}
Q='say() { printf "\n%s %s\n" "$N" "$1"; }
of_() { command -v "$2" >/dev/null 2>&1 || { say "A $1"; return 1; }; }
root_() { [ "$U" = 0 ] || { say "D $1"; return 1; }; }
asked_() { case " $K " in *" $1 "*) return 1;; esac; }'
eval "$Q"
Q="$Q"'
sh_() {
  say "B $1"
  printf "\n%s E %s\n" "$N" "$1" >&3
  { /bin/sh -c "$4" </dev/null 2>&3 3>&-; printf "\n%s S %s\n" "$N" "$?"; } | head -c "$3"
}'
put_() {
  { t "$2" /bin/sh -c "$4" </dev/null 2>&3 3>&- 5>&-; printf '\n%s S %s\n' "$N" "$?"; } | head -c "$3" >&5
}
sh_() {
  say "B $1"
  if [ -z "$M" ]; then
    printf '\n%s E %s\n' "$N" "$1" >&3
    put_ "$@"
  else
    e=$(put_ "$@" 3>&1 | { head -c 2000; cat >/dev/null; })
    printf '\n%s E %s\n%s' "$N" "$1" "$e"
  fi
}
some_() {
  if [ -z "$M" ]; then
    e=$( {
      if [ -n "$T" ]; then
        printf '%s\n' "unset N U K" "N=$N U=$U K=" "$Q" "$1" 'say E >&3' | t @QUICK_S /bin/sh -s 5>&-
      else eval "$1"; say E >&3; fi
    } 3>&1 >&5 | { head -c @ERRORS; cat >/dev/null; } )
    case $e in *"$N E") printf '%s' "$e"; return;; esac
    M=1
  fi
  eval "$1"
}
read_() { t @FILE_S head -c "$1" "$2" </dev/null 2>/dev/null; }
quick_() {
  (
    trap 'kill -9 "$c" 2>/dev/null; exit 9' TERM
    read_() { head -c "$1" "$2" </dev/null 2>/dev/null & c=$!; wait "$c"; }
    "$1"
    exit 0
  ) & y=$!
  ( trap 'kill "$c"; exit' TERM; sleep @FILE_S & c=$!; wait "$c"; kill "$y" ) >/dev/null 2>&1 </dev/null 5>&- & z=$!
  wait "$y"; s=$?
  kill "$z" 2>/dev/null
  [ "$s" = 0 ] || "$1"
}
file_() {
  if [ -f "$3" ]; then
    if [ -r "$3" ]; then
      say "B $1"
      read_ "$2" "$3"
      say "S $?"
    else say "D $1"; fi
  elif [ -e "$3" ]; then say "X $1 not a regular file"
  elif gone "$3"; then say "A $1"
  else say "D $1"; fi
}
each_() {
  for p in "$@"; do
    case $p in *"
"*) s="X a file name holds a line break"; continue;; esac
    if [ -f "$p" ]; then
      if [ -r "$p" ]; then say "F $p"; read_ "$m" "$p" || s="X $p could not be read"
      else s="D $p"; fi
    elif [ -c "$p" ]; then say "F $p"
    elif [ -d "$p" ]; then :
    elif [ -e "$p" ]; then s="X $p is not a regular file"
    elif [ -L "$p" ] && [ "$U" != 0 ]; then s="D $p"
    elif [ "$w" = 0 ]; then gone "$p" || s="D $p"
    fi
  done
}
in_() {
  if [ -d "$1" ]; then { [ -r "$1" ] && [ -x "$1" ]; } || s="D $1"
  elif gone "$1"; then :
  else s="D $1"; fi
}
stat_() {
  for p in "$@"; do
    shift
    if [ -e "$p" ]; then set -- "$@" "$p"
    elif gone "$p"; then say "P a:$p"
    else say "P d:$p"; fi
  done
  [ $# = 0 ] || t @STAT_S stat -L -c "
$N P %a:%u:%g:%U:%G:%F:%n" "$@" </dev/null 2>/dev/null
}
""".replace("@FILE_S", str(FILE_S))
    .replace("@STAT_S", str(STAT_S))
    .replace("@ERRORS", str(ERROR_BYTES))
    .replace("@QUICK_S", str(QUICK_S))
)


@dataclass(frozen=True, slots=True)
class Batch:
    """One visit's probes, the script that puts them, and the reading of the answer.

    sudo: try `sudo -n /bin/sh -s` once when the login is not root. collector: try that one installed script instead,
    which puts these very questions and takes nothing but a nonce and left_out: numbers of questions that it is not to
    put. gzip: compress the answer where gzip exists.
    at_rest: nothing runs there; probes that need a running system are answered `not-running` without being put.
    apart: the stat probes one by one, each announced, so that one that hangs is known.
    """

    probes: Sequence[Probe]
    sudo: bool = True
    gzip: bool = False
    at_rest: bool = False
    collector: bool = False
    apart: bool = False
    left_out: frozenset[int] = frozenset()
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def put(self) -> list[tuple[int, Probe]]:
        """The probes that the script puts, numbered."""
        return [one for one in self._could_put if one[0] not in self.left_out]

    @property
    def _could_put(self) -> list[tuple[int, Probe]]:
        return [
            (number, probe)
            for number, probe in enumerate(self.probes)
            if probe.via == "posix" and probe.ask[0] in _FORMS and not (self.at_rest and probe.running)
        ]

    @property
    def order(self) -> list[int]:
        """The numbers of the questions as the script puts them, but for the stat probes behind them: files first."""
        return [number for number in self._order if number not in self.left_out]

    @property
    def _order(self) -> list[int]:
        kinds = {number: probe.ask[0] for number, probe in self._could_put if probe.ask[0] != "stat"}
        return sorted(kinds, key=lambda number: kinds[number] == "sh")

    @property
    def script(self) -> bytes:
        """The whole script. Nothing runs before its last line has arrived, so a torn upload does nothing."""
        without = " ".join(map(str, sorted(self.left_out)))
        given = f"unset N K\nN={self.nonce} K='{without}'"  # a variable of the login's would be handed to every command
        inner = f"main() {{\n{given}\n{PRELUDE}\n{self.body}\nsay END\n}}\nmain\nexit {DONE}\n"
        root = "true" if not self.sudo else '[ "$(id -u)" = 0 ]'
        asked = f"'{self.nonce} {without}' | sudo -n {COLLECTOR}" if self.collector else '"$S" | sudo -n /bin/sh -s'
        outer = (
            f"riskline() {{\nunset S\nS={shlex.quote(inner)}\n"
            # a subshell cannot name itself ($$ is the shell that it left), so its niceness is set before
            'own() { renice -n 10 -p $$ >/dev/null 2>&1; ( eval "$S" ); }\n'
            f"go() {{ if {root}; then own; else printf '%s\\n' {asked}; [ $? = {DONE} ] || own; fi; }}\n"
            f"{self._packing()}\n}}\nriskline\nexit 0\n"
        )
        return outer.encode()

    @property
    def digest(self) -> str:
        """What stands for the questions that the script puts, and how: a collector made for others is noticed."""
        return hashlib.sha256(self.body.encode()).hexdigest()

    def _packing(self) -> str:
        hello = f"printf '\\n{self.nonce} HELLO %s\\n'"
        if not self.gzip:
            return f"{hello} RAW; go"
        return f"if command -v gzip >/dev/null 2>&1; then {hello} GZ; go | gzip -1 -c; else {hello} RAW; go; fi"

    @property
    def body(self) -> str:
        """The steps of the script: the files, the other questions by the score, the paths of all stat probes together.

        A collector's are the same on every visit: it leaves out those of $K, and then puts all probes one by one.
        """
        begin = "asked_ {} && ".format if self.collector else "".format
        steps = {number: begin(number) + _step(number, self.probes[number]) for number in self._order}
        lines = ['[ -z "$K" ] || M=1'] if self.collector else ["M=1"] if self.apart else []
        files = [number for number in steps if self.probes[number].ask[0] != "sh"]
        if files:
            lines += ["files_() {", *(steps.pop(number) for number in files), "}", self._all(files)]
        for asked in self._together(steps):
            if self.probes[asked[0]].timeout_s > ORDINARY_S:
                lines += ["k=$M M=1", steps[asked[0]], "M=$k"]
            else:
                lines.append(f"some_ {shlex.quote(chr(10).join(steps[one] for one in asked))}")
        return "\n".join([*lines, *self._stats()])

    def _together(self, numbers: Iterable[int]) -> list[list[int]]:
        """The questions in their order, in groups whose error texts come together; one that may take long is alone."""
        groups: list[list[int]] = []
        room = 0
        for number in numbers:
            ordinary = self.probes[number].timeout_s <= ORDINARY_S
            if not (ordinary and room):
                groups.append([])
                room = TOGETHER if ordinary else 0
            groups[-1].append(number)
            room -= ordinary
        return groups

    def _all(self, files: Sequence[int]) -> str:
        """The files are read under one limit of time and size, and each under its own where that was not enough."""
        quick = f"quick_ files_ | head -c {sum(self.probes[number].max_bytes + 64 for number in files)}"
        if self.collector:
            return f'if [ -n "$K" ]; then files_; else {quick}; fi'
        return "files_" if self.apart else quick

    def _stats(self) -> list[str]:
        paths = {
            number: [str(word) for word in probe.ask[1:]] for number, probe in self._could_put if probe.ask[0] == "stat"
        }
        together = _stat_step(dict.fromkeys(path for some in paths.values() for path in some))
        alone = [f'say "Q {number}"; {_stat_step(some)}' for number, some in paths.items()]
        if not paths:
            return []
        if not self.collector:
            return alone if self.apart else [together]
        guarded = [f"asked_ {number} && {{ {step}; }}" for number, step in zip(paths, alone, strict=True)]
        return ['if [ -z "$K" ]; then', together, "else", *guarded, "fi"]

    def replies(self, stdout: bytes, stderr: bytes, ended: Ended) -> dict[Probe, Reply]:
        """Every probe's reply. Raises VisitFailed where not even the greeting came."""
        frames, complete = frames_of(stdout, self.nonce)
        if frames is None:
            raise VisitFailed(silence(stdout, stderr, ended))
        if any(head.startswith("PLAN ") and head != f"PLAN {self.digest}" for head, _ in frames):
            raise VisitFailed(f"{COLLECTOR} puts other questions there than these; print and install it anew")
        answers = Answers(self.probes, complete, ended, readable(stderr[:2000]).strip())
        answers.read(frames)
        return {
            probe: self._reply(number, probe, answers)
            for number, probe in enumerate(self.probes)
            if number not in self.left_out
        }

    def _reply(self, number: int, probe: Probe, answers: Answers) -> Reply:
        if probe.via == "posix" and probe.ask[0] == "visit":
            return Reply(problem="absent", detail=f"this way in has no {probe.ask[1]}")
        if probe.via != "posix" or probe.ask[0] not in _FORMS:
            return Reply(problem="unsupported", detail=f"a POSIX host cannot be asked {probe.key}")
        if self.at_rest and probe.running:
            return Reply(problem="not-running", detail="this root file system is at rest; it has no /proc of its own")
        if probe.ask[0] == "stat":
            return answers.stat(probe)
        return answers.found.get(number) or answers.missing()


def _step(number: int, probe: Probe) -> str:
    cap = probe.max_bytes + 64
    guards = [f"root_ {number}"] if probe.privileged else []
    if probe.absence:
        guards.append(f"of_ {number} {shlex.quote(probe.absence)}")
    words = [str(word) for word in probe.ask[1:]]
    if probe.ask[0] == "sh":
        step = f"sh_ {number} {probe.timeout_s:g} {cap} {shlex.quote(words[0])}"
    elif probe.ask[0] == "file":
        step = f"file_ {number} {cap} {shlex.quote(words[0])}"
    else:
        step = _files_step(number, cap, words)
        if any(_WILD.search(str(PurePosixPath(word).parent)) for word in words):
            guards.insert(0, f"root_ {number}")  # an unsearchable folder inside the pattern would look like no match
    return " && ".join([*dict.fromkeys(guards), step])


def _stat_step(paths: Iterable[str]) -> str:
    """One stat(1) for all of the paths."""
    return "stat_ " + " ".join(map(shlex.quote, paths))


def _files_step(number: int, cap: int, patterns: Iterable[str]) -> str:
    parts = []
    for pattern in patterns:
        if _WILD.search(pattern):
            folder = str(PurePosixPath(pattern[: _first_wild(pattern)] + "x").parent)
            parts.append(f"w=1; in_ {shlex.quote(folder)}; each_ {pattern}")
        else:
            parts.append(f"w=0; each_ {shlex.quote(pattern)}")
    return f'{{ say "B {number}"; m={cap} s=0; {"; ".join(parts)}; say "S $s"; }}'


def _first_wild(pattern: str) -> int:
    found = _WILD.search(pattern)
    return found.start() if found else len(pattern)
