"""SSH keys of a host by fingerprint: what it shows as its own, what opens its accounts, what its accounts can open.

No key leaves the host: `ssh-keygen -l` reduces each to its fingerprint there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from scanner import parse
from scanner.errors import Unparsable
from scanner.model import Fact
from scanner.probes import sh

Role = Literal["host", "opens", "bare", "locked"]

# Only regular files: a link could point at a key of somebody else.
FINGERPRINTS = r"""
show() {
  command ssh-keygen -l -E sha256 -f "$3" 2>/dev/null |
    awk -v k="$1" -v w="$2" '$1 ~ /^[0-9]+$/ && $2 ~ /^SHA256:[A-Za-z0-9+\/]+$/ { print k, w, $1, $2, $NF }'
}
for f in /etc/ssh/ssh_host_*_key.pub; do [ ! -f "$f" ] || show host - "$f" </dev/null; done
while IFS=: read -r n p u g c h s || [ -n "$n" ]; do
  case $n in '' | *[!A-Za-z0-9._-]*) continue ;; esac
  case $h in /*) ;; *) continue ;; esac
  [ -d "$h/.ssh" ] || continue
  for f in "$h/.ssh/authorized_keys" "$h/.ssh/authorized_keys2"; do
    if [ -f "$f" ] && [ ! -L "$f" ]; then show opens "$n" "$f" </dev/null; fi
  done
  find "$h/.ssh" -maxdepth 1 -type f -size -64k ! -name '*.pub' ! -name 'known_hosts*' ! -name 'authorized_keys*' |
    head -n 40 | while IFS= read -r f; do
    head -c 60 "$f" | grep -q 'PRIVATE KEY-----' || continue
    # through a pipe, since ssh-keygen refuses to read a file that others may read
    if p=$(head -c 65536 "$f" | command ssh-keygen -y -P '' -f /dev/stdin 2>&1); then
      printf '%s\n' "$p" | show bare "$n" -
    else
      show locked "$n" "$f" </dev/null
    fi
  done
done </etc/passwd | head -n 5000
echo end
"""
MOST_KEYS = 5000


@dataclass(frozen=True, slots=True)
class Key:
    """One key. role: the host's own, opens an account here, or a private key without (bare) or with a passphrase.

    account: whose; "-" for the host's own. fingerprint: 'SHA256:…'. kind: 'ED25519', 'RSA', 'DSA' …
    """

    role: Role
    account: str
    bits: int
    fingerprint: str
    kind: str


def keys(text: str) -> tuple[Key, ...]:
    """'opens root 256 SHA256:… (ED25519)\\nend\\n' -> (Key('opens', 'root', 256, 'SHA256:…', 'ED25519'),)."""
    rows = text.splitlines()
    if not rows or rows[-1] != "end" or len(rows) > MOST_KEYS:
        raise Unparsable("the list of keys could not be read to its end")
    found = []
    for role, account, bits, fingerprint, kind in parse.table("\n".join(rows[:-1]), 5):
        if role not in {"host", "opens", "bare", "locked"}:
            raise Unparsable(role[:100])
        found.append(Key(cast(Role, role), account, int(bits), fingerprint, kind.strip("()").removesuffix("-CERT")))
    return tuple(dict.fromkeys(found))


KEYS = Fact(sh(FINGERPRINTS, of="ssh-keygen", sudo=True, timeout_s=30.0, marked=True), keys)
