"""The route to a host: what the inventory, ~/.ssh/config and ProxyJump together say, as a list of hops."""

from __future__ import annotations

import getpass
import io
import re
import threading
from dataclasses import dataclass
from pathlib import Path

import paramiko

from scanner import addresses
from scanner.errors import Unreachable, UsageError
from scanner.model import Ssh

from .ssh_hosts import Place

_MAX_HOPS = 8
_NONE = {"", "none"}
_UNEVALUATED = re.compile(r"(?:^|\s)!?(?:exec|localnetwork|version|tagged)\b", re.I)


@dataclass(frozen=True, slots=True)
class Hop:
    """One host on the way, the target last.

    identities: key files, in order; named_keys: somebody named them; only_these: no other key of the agent.
    password, key_passphrase: references. A jump host never gets the target's password.
    """

    host: str
    port: int
    user: str
    place: Place
    identities: tuple[Path, ...]
    named_keys: bool
    only_these: bool
    agent: bool
    password: str | None
    key_passphrase: str | None

    @property
    def label(self) -> str:
        """For people: 'db1' or 'db1:2222'."""
        return self.host if self.port == 22 else f"{self.host}:{self.port}"


def route(address: str, way: Ssh) -> list[Hop]:
    """The hops to `address`, the target last. Raises Unreachable where the configuration asks for what we do not do."""
    config = _config(way.config)
    found = _lookup(config, address)
    jumps = way.jump if way.jump is not None else str(found.get("proxyjump", "none"))
    if found.get("proxycommand") and jumps.lower() in _NONE:
        raise Unreachable(f"{address}: ProxyCommand in {way.config} is not run; write ProxyJump (or `jump:`) instead")
    hops = []
    for word in [] if jumps.lower() in _NONE else jumps.split(","):
        user, host, port = _split(word.strip())
        hops.append(_hop(host, _lookup(config, host), way, user=user, port=port, is_target=False))
    if len(hops) > _MAX_HOPS:
        raise Unreachable(f"{address}: more than {_MAX_HOPS} jump hosts in a row")
    return [*hops, _hop(address, found, way, user=way.user, port=way.port, is_target=True)]


def _split(word: str) -> tuple[str | None, str, int | None]:
    """'admin@gate:2222' -> ('admin', 'gate', 2222)."""
    try:
        return addresses.gateway(word)
    except UsageError as error:
        raise Unreachable(str(error)) from None


def _hop(
    name: str, found: dict[str, str | list[str]], way: Ssh, user: str | None, port: int | None, *, is_target: bool
) -> Hop:
    host = str(found.get("hostname", name))
    port = port or _port(found.get("port", "22"), name)
    alias = found.get("hostkeyalias")
    place = Place(str(alias or host), port, _known_hosts(way, found), alias is not None)
    named = [way.key] if way.key else list(found.get("identityfile", []))
    identities = tuple(Path(word).expanduser() for word in named if word.lower() not in _NONE)
    password = way.password if is_target else None
    only_these = way.key is not None or str(found.get("identitiesonly", "no")).lower() == "yes"
    return Hop(
        host=host,
        port=port,
        user=user or str(found.get("user") or getpass.getuser()),
        place=place,
        identities=identities or (() if password else tuple(_default_identities())),
        named_keys=bool(identities),
        only_these=only_these and bool(identities),
        agent=way.agent or not (way.key or password),
        password=password,
        key_passphrase=way.key_passphrase,
    )


def _port(text: object, name: str) -> int:
    if not str(text).isdigit() or not 0 < int(str(text)) < 65536:
        raise Unreachable(f"{name}: {text!r} is no port")
    return int(str(text))


def _default_identities() -> list[Path]:
    folder = Path("~/.ssh").expanduser()
    return [path for name in ("id_ed25519", "id_ecdsa", "id_rsa") if (path := folder / name).is_file()]


def _known_hosts(way: Ssh, found: dict[str, str | list[str]]) -> tuple[Path, ...]:
    files = way.known_hosts
    own = str(found.get("userknownhostsfile", ""))
    if own and files == Ssh().known_hosts:  # what the inventory says in so many words wins
        files = (*own.split(), *files[1:])
    return tuple(Path(word).expanduser() for word in files if word.lower() not in _NONE)


def _lookup(config: paramiko.SSHConfig | None, name: str) -> dict[str, str | list[str]]:
    if config is None:
        return {}
    try:
        return dict(config.lookup(name))
    except (paramiko.ssh_exception.ConfigParseError, paramiko.ssh_exception.CouldNotCanonicalize, ValueError) as error:
        raise Unreachable(f"the ssh configuration cannot be applied to {name!r}: {error}") from error


_read: dict[tuple[str, int, int], paramiko.SSHConfig] = {}
_reading = threading.Lock()


def _config(path: str) -> paramiko.SSHConfig | None:
    """The parsed file, anew only when it changed; None where there is none or `none` was written."""
    if path.lower() in _NONE:
        return None
    place = Path(path).expanduser()
    with _reading:
        try:
            if not place.exists():
                return None
            stamp = (str(place), place.stat().st_mtime_ns, place.stat().st_size)
            if stamp not in _read:
                _read[stamp] = _parse(place)
        except OSError as error:
            raise Unreachable(f"{place}: {error.strerror}") from error
        return _read[stamp]


def _parse(place: Path) -> paramiko.SSHConfig:
    config = paramiko.SSHConfig()
    try:
        config.parse(io.StringIO(_expanded(place, place.parent, 0)))
    except (paramiko.ssh_exception.ConfigParseError, UnicodeDecodeError) as error:
        raise Unreachable(f"{place} cannot be read: {error}") from error
    return config


def _expanded(place: Path, folder: Path, depth: int) -> str:
    """The text of a configuration file with its includes in place. Refuses what would run a command here."""
    lines = []
    inside = False
    for number, line in enumerate(place.read_text(encoding="utf-8").splitlines(), 1):
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        keyword, rest = word.lower(), rest.strip()
        if keyword == "match" and (found := _UNEVALUATED.search(rest)):
            remedy = "set `config: none` or another file"
            raise Unreachable(f"{place}:{number}: `Match {found[0].strip()}` is not evaluated; {remedy}")
        if keyword != "include":
            inside = inside or (keyword in {"host", "match"} and rest.lower() not in {"*", "all"})
            lines.append(line)
        elif depth > 4:
            raise Unreachable(f"{place}:{number}: Includes go more than 4 files deep, or in a circle")
        elif inside:
            raise Unreachable(f"{place}:{number}: an Include inside a Host or Match block is not read; move it up")
        else:
            for path in _included(rest, folder):
                lines += [_expanded(path, folder, depth + 1), "Host *"]  # ends the last block of the included file
    return "\n".join(lines) + "\n"


def _included(patterns: str, folder: Path) -> list[Path]:
    """Files that an Include names: relative ones are beside the first file, as with ~/.ssh/config."""
    found = []
    for pattern in patterns.replace('"', "").split():
        place = folder / Path(pattern).expanduser()
        found += sorted(Path(place.anchor).glob(str(place.relative_to(place.anchor))))
    return found
