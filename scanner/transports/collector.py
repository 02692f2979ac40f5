"""A visit's questions as one script to install: the only thing that the scan account may then run as root.

It takes no argument and reads one line, the nonce of this visit's frames and the numbers of the questions to leave
out, for these hung before; sudo pins it by its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from scanner.errors import UsageError
from scanner.model import Probe

from .posix import COLLECTOR, DONE, PRELUDE, Batch


def collector(batches: Sequence[Sequence[Probe]]) -> str:
    """The script for hosts that are all asked the same. Raises UsageError where there are none, or they are not."""
    scripts = {_script(Batch(batch, collector=True)) for batch in batches}
    if not scripts:
        raise UsageError("no Linux host is planned that could have a collector")
    if len(scripts) > 1:
        raise UsageError("these hosts are not all asked the same; name those that are with --limit or --baseline")
    return scripts.pop()


def _script(batch: Batch) -> str:
    return (
        f"#!/bin/sh\n# {COLLECTOR}: owned by root, mode 0755; made by `riskline permissions -f collector`.\n"
        "# It reads one line, a nonce of 32 hexadecimal digits and numbers of questions to leave out; no argument.\n"
        "[ $# = 0 ] || exit 2\nunset N K\nIFS=' ' read -r N K || exit 2\n"
        "case $N in *[!0-9a-f]*) exit 2;; esac\n[ ${#N} = 32 ] || exit 2\n"
        "case $K in *[!0-9\\ ]*) exit 2;; esac\n"
        f"exec </dev/null\n{PRELUDE}\nsay 'PLAN {batch.digest}'\n{batch.body}\nsay END\nexit {DONE}\n"
    )


KEY_ADVICE = (
    '# In authorized_keys of the scan account put before its key: from="SCANNER",restrict\n'
    "# It needs no terminal and forwards nothing; an account on a jump host forwards (permitopen).\n"
)


def pinned_rule(user: str, script: bytes) -> str:
    """A file for sudoers.d: `user` may run this very script as root, without arguments, and nothing else."""
    return (
        "# /etc/sudoers.d/riskline, mode 0440; check with: visudo -cf FILE\n"
        f"{KEY_ADVICE}"
        f"# Nothing but this script, as it is now, and without arguments. Install it as {COLLECTOR}\n"
        "# (root:root, mode 0755), and write `sudo: collector` under the host's `access: {ssh: …}`.\n"
        f'{user} ALL=(root) NOPASSWD: sha256:{hashlib.sha256(script).hexdigest()} {COLLECTOR} ""\n'
        f"Defaults!{COLLECTOR} env_reset, !setenv, !requiretty\n"
    )
