"""The inventory: merged as documented, and every mistake with file, line and remedy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from scanner.errors import UsageError
from scanner.inventory import inventory_schema, limit, read_inventory, valid_address
from scanner.model import Criticality

from .bounded import bounded

ROOT = Path(__file__).parent.parent


def write(folder: Path, text: str) -> Path:
    path = folder / "inventory.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_example_is_good_and_begins_with_this_machine() -> None:
    found = read_inventory(ROOT / "inventory.example.yaml")
    assert found.assets[0].id == "this-machine"
    assert found.assets[0].ways == ("local",)
    assert found.assets[0].owner == "you"


def test_the_example_is_good_with_every_line_switched_on(tmp_path: Path) -> None:
    lines = (ROOT / "inventory.example.yaml").read_text().splitlines()
    head = lines.index("version: 1")
    switched = [line.replace("# ", "", 1) if line.startswith("  # ") else line for line in lines[head:]]
    found = read_inventory(write(tmp_path, "\n".join(switched)))
    assert {asset.kind for asset in found.assets} == {"linux", "windows", "aws", "network", "organisation"}


def test_the_published_schema_is_what_the_model_says_and_accepts_the_example() -> None:
    schema = inventory_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((ROOT / "inventory.example.yaml").read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"assets": {"a": {"acess": "local"}}}, schema)


def test_defaults_groups_and_own_lines_win_in_that_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
defaults: {zone: partner, owner: d, tags: {a: 1, b: 1}}
groups:
  g: {zone: internal, tags: {b: 2}, access: {ssh: {user: audit, port: 2222}}}
assets:
  one: {groups: g, tags: {c: 3.10}, access: {ssh: {user: other}}}
  two: {groups: [g], access: local}
""",
    )
    one, two = read_inventory(path).assets
    assert (one.zone, one.owner, dict(one.tags)) == ("internal", "d", {"a": "1", "b": "2", "c": "3.10"})
    assert one.access and one.access.ssh
    assert (one.access.ssh.user, one.access.ssh.port, one.address) == ("other", 2222, "one")
    assert two.ways == ("local",)


def test_criticality_and_owner_come_from_the_service_unless_said(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
services: {shop: {owner: sales, criticality: {c: 4, i: 5, a: 2}}}
assets:
  a: {access: local, service: shop}
  b: {access: local, service: shop, criticality: 1, owner: me}
""",
    )
    a, b = read_inventory(path).assets
    assert (a.criticality, a.owner) == (Criticality(4, 5, 2), "sales")
    assert (b.criticality, b.owner) == (Criticality(1, 1, 1), "me")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("assets:\n  a: {}\n", ":2: asset 'a' has no 'access'; add one of ssh, local, chroot, winrm, aws"),
        ("assets:\n  a: {access: {local: , aws: }}\n", ":2: asset 'a' has 2 ways in"),
        ("assets:\n  a: {access: sssh}\n", ":2: asset 'a': there is no key 'sssh'; did you mean 'ssh'?"),
        ("assets:\n  a: {access: local, zone: inside}\n", ":2: asset 'a': zone: "),
        ("asets:\n  a: {access: local}\n", ":1: there is no section 'asets'; did you mean 'assets'?"),
        ("assets:\n  a: {access: local, groups: [web]}\n", ":2: asset 'a': there is no group 'web'"),
        ("groups:\n  web: x\nassets:\n  a: {access: local}\n", ":2: the group 'web' must be a mapping"),
        ("assets:\n  ../../x: {access: local}\n", ":2: asset '../../x': an id has"),
        ("assets:\n  a: {access: {ssh: }, address: '-oProxyCommand=x'}\n", "is no IP address or host name"),
        ("assets:\n  a: {access: {ssh: }, address: 'a b'}\n", "is no IP address or host name"),
        ("assets:\n  A: {access: local}\n  a: {access: local}\n", ":3: asset 'a' differs from 'A' only in case"),
        ("services: {x: }\nassets:\n  a: {access: local, service: y}\n", ":3: asset 'a': there is no service 'y'"),
        ("version: 2\nassets: {a: {access: local}}\n", ":1: only `version: 1`"),
        ("assets:\n  a:\n    network:\n      addresses: ['10.0.0.0/8']\n", ":4: asset 'a': '10.0.0.0/8' is too wide"),
        ("assets:\n  a:\n    network: {addresses: 127.0.0.1, ports: '-oN x'}\n", ":3: asset 'a': ports: "),
        ("assets:\n  a:\n    network: {addresses: 127.0.0.1, expected_open: ssh}\n", ":3: asset 'a': expected_open: "),
        ("assets:\n  a:\n    network: {ports: '22'}\n", ":2: asset 'a': its 'network' part needs"),
        ("assets: {}\n", ":1: `assets` must map at least one name"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_line_and_remedy(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_inventory(write(tmp_path, text))
    assert complaint in str(caught.value)


def test_a_group_may_be_there_for_its_name_alone(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text("groups:\n  web:\nassets:\n  a: {access: local, groups: web}\n")
    assert [asset.groups for asset in read_inventory(file).assets] == [("web",)]


@pytest.mark.parametrize("field", ["password", "key_passphrase"])
def test_a_literal_password_is_refused_and_never_repeated(tmp_path: Path, field: str) -> None:
    text = f"assets:\n  a:\n    access:\n      ssh:\n        {field}: hunter2\n"
    with pytest.raises(UsageError) as caught:
        read_inventory(write(tmp_path, text))
    assert f"inventory.yaml:5: asset 'a': `{field}` must be a reference" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.fault("I5")
def test_an_inventory_that_anybody_may_change_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "assets: {a: {access: local}}\n")
    path.chmod(0o666)
    with pytest.raises(UsageError, match="chmod o-w"):
        read_inventory(path)


def test_a_missing_inventory_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No such file or directory; copy inventory\.example"):
        read_inventory(tmp_path / "none.yaml")


def test_limit_takes_ids_groups_services_and_tags(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
groups: {web: {tags: {env: prod}}}
assets:
  web-1: {access: local, groups: web}
  web-2: {access: local, service: shop}
  db-1: {access: local, tags: {env: test}}
""",
    )
    found = read_inventory(path)
    for pattern, ids in {
        "web-*": ["web-1", "web-2"], "web": ["web-1"], "shop": ["web-2"], "env=test": ["db-1"],
    }.items():  # fmt: skip
        assert [asset.id for asset in limit(found, [pattern]).assets] == ids
    with pytest.raises(UsageError, match="--limit nope: no asset"):
        limit(found, ["nope"])


@pytest.mark.parametrize("good", ["127.0.0.1", "::1", "db1.example.org", "db-1", "xn--bcher-kva.example", "a_b"])
def test_addresses_and_host_names_are_taken(good: str) -> None:
    assert valid_address(good)


@pytest.mark.parametrize(
    "bad", ["-oN", "a b", "$(x)", "a;b", "", "a/b", "a\nb", "x" * 254, "127.0.0.1 -oN /tmp/x", "é"]
)
@pytest.mark.fault("I3")
def test_nothing_else_is_an_address(bad: str) -> None:
    assert not valid_address(bad)


SECRET = "hunter2-but-longer"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.fault("I6")
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("assets: {a: {access: {ssh: {password: %s}}}}", "`password` must be a reference, not the secret itself"),
        ("assets: {a: {access: {ssh: {key_passphrase: %s}}}}", "`key_passphrase` must be a reference"),
        ("assets: {a: {access: {winrm: {user: u, password: %s}}}}", "`password` must be a reference"),
        ("assets: {a: {access: {aws: {access_key_id: %s}}}}", "`access_key_id` must be a reference"),
        ("assets: {a: {access: {aws: {secret_access_key: %s}}}}", "`secret_access_key` must be a reference"),
        ("defaults: {access: {ssh: {password: %s}}}\nassets: {a: {owner: me}}", "`password` must be a reference"),
        ("groups: {g: {access: {ssh: {password: %s}}}}\nassets: {a: {groups: g}}", "`password` must be a reference"),
        ("assets: {a: {access: {ssh: {password: 'environment:%s'}}}}", "`password` must be a reference"),
        ("assets: {a: {access: {ssh: {password: 'env:'}, x: %s}}}", "`password` must be a reference"),
        ("assets: {a: {access: {ssh: {password: [%s]}}}}", "`password` must be a reference"),
        ("assets: {a: {access: {ssh: {pasword: %s}}}}", "there is no key 'pasword'; did you mean 'password'?"),
        ("assets: {a: {access: {ssh: {token: %s}}}}", "there is no key 'token'"),
        ("assets: {a: {password: %s, access: local}}", "there is no key 'password'"),
        ("assets: {a: {access: 'ssh://root:%s@db1'}}", "`access` is none of ssh, local"),
        ("assets: {a: {access: {ssh: }, address: 'root:%s@db1'}}", "'…@db1' is no IP address or host name"),
        ("assets: {a: {access: {ssh: {jump: 'root:%s@gate'}}}}", "'…@gate' is no jump host"),
        ("assets: {a: {network: {addresses: 'http://root:%s@db1'}}}", "'…@db1' is no CIDR block"),
        (f"assets: {{a: {{access: {{ssh: {{key: {json.dumps(KEY)}}}}}}}}} # %s", "`key` is the path of a file"),
    ],
)
def test_a_secret_is_refused_wherever_it_was_written_and_never_repeated(tmp_path: Path, lines: str, said: str) -> None:
    write(tmp_path, f"{lines % SECRET}\n")
    took = bounded(tmp_path, "scan", "-i", "inventory.yaml", "--register", "r.db", "--log-file", "log")
    assert (took.code, took.stdout) == (2, "")
    assert re.search(r"riskline: inventory\.yaml:[12]: asset 'a'", took.stderr), took.stderr
    assert said in took.stderr
    assert not [one for one in (took.stderr, (tmp_path / "log").read_text()) if SECRET in one]
    assert not (tmp_path / "r.db").exists()


@pytest.mark.fault("I6")
@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:RISKLINE_NOT_SET", "the environment variable RISKLINE_NOT_SET is not set; export it before the run"),
        ("env:RISKLINE_EMPTY", "env:RISKLINE_EMPTY is empty"),
        ("file:open", "open can be read by others (mode 0644); run: chmod 600 open"),
        ("file:group", "group can be read by others (mode 0640); run: chmod 600 group"),
        ("file:written", "written can be read by others (mode 0602); run: chmod 600 written"),
        ("file:none", "none: No such file or directory"),
        ("file:.", ".: Is a directory"),
        ("file:latin", "latin is not UTF-8 text"),
        ("file:empty", "file:empty is empty"),
        (f"command:sh -c 'echo {SECRET}; exit 3'", "the password command ended with status 3"),
        (f"command:no-such-program {SECRET}", "the password command could not be run: FileNotFoundError"),
        ("file:good", "127.0.0.1"),
    ],
)
def test_a_secret_that_cannot_be_had_is_named_and_never_shown(tmp_path: Path, reference: str, said: str) -> None:
    for name, mode in (("open", 0o644), ("group", 0o640), ("written", 0o602), ("latin", 0o600), ("good", 0o600)):
        (tmp_path / name).write_bytes(f"{SECRET}\n".encode() + b"\xff" * (name == "latin"))
        (tmp_path / name).chmod(mode)
    (tmp_path / "empty").touch(0o600)
    (tmp_path / "latin").write_bytes(b"\xff" + SECRET.encode())
    way = f"{{winrm: {{user: u, port: 1, password: {json.dumps(reference)}}}}}"
    write(tmp_path, f"assets: {{w: {{address: 127.0.0.1, access: {way}}}}}\n")
    words = ["scan", "-i", "inventory.yaml", "--no-record", "--fail-on", "never", "--select", "id=*-01", "-v"]
    told = bounded(tmp_path, *words, "-f", "json", "--log-file", "log", RISKLINE_EMPTY="", RISKLINE_SECRET=SECRET)
    findings = json.loads(told.stdout)["findings"]
    assert findings
    assert {one["outcome"] for one in findings} == {"unknown"}
    reason = "unreachable" if reference == "file:good" else "auth-failed"
    assert {one["reason"] for one in findings} == {reason}
    assert all(said in one["detail"] for one in findings), findings[0]
    assert told.code == 3
    assert not [one for one in (told.stdout, told.stderr, (tmp_path / "log").read_text()) if SECRET in one]


OPTIONS = ["-oN x", "-iL/etc/passwd", "--", "127.0.0.1 -oN x", "127.0.0.1\n-oN x", "-oProxyCommand=touch made"]
COMMANDS = ["; rm -rf made", "$(touch made)", "`touch made`", "a|b", "a&b", "a b", "a\tb", "a\0b", "a'b", 'a"b', "../a"]
NO_HOSTS = [
    "::1%eth0",
    "fe80::1%eth0;x",
    "bücher.example",
    "b\u0131g.example",
    "a\u202eb",
    "10.0.0.0/16",
    "0.0.0.0",
    "@x",
]
NO_NAMES = ["x" * 254, "10.0.0.1-50", "10.0.0.*", "010.0.0.1", "a..b", "a/b", "ssh://a", ""]
HOSTILE = [*OPTIONS, *COMMANDS, *NO_HOSTS, *NO_NAMES]


def refused(folder: Path, lines: list[str]) -> list[str]:
    """What the verb says of each asset, one a line of the file."""
    write(folder, "assets:\n" + "".join(f"  a{n}: {line}\n" for n, line in enumerate(lines)))
    took = bounded(folder, "inventory", "check", "-i", "inventory.yaml")
    said = took.stderr.splitlines()
    assert (took.code, took.stdout) == (2, "")
    assert "Traceback" not in took.stderr
    assert not (folder / "made").exists()
    return [
        " ".join(one for one in said if one.startswith(f"riskline: inventory.yaml:{n + 2}: asset 'a{n}'"))
        for n in range(len(lines))
    ]


@pytest.mark.fault("I3")
@pytest.mark.parametrize(
    ("field", "line", "complaint"),
    [
        ("address", "{access: {ssh: }, address: %s}", "is no IP address or host name"),
        ("the address of Windows", "{access: {winrm: {user: u, password: 'env:X'}}, address: %s}", "is no IP address"),
        ("nmap's targets", "{network: {addresses: [127.0.0.1, %s]}}", ""),
    ],
)
def test_an_address_that_is_an_option_a_command_or_no_host_is_refused(
    tmp_path: Path, field: str, line: str, complaint: str
) -> None:
    said = refused(tmp_path, [line % json.dumps(one) for one in HOSTILE])
    assert [one for one, told in zip(HOSTILE, said, strict=True) if not told or complaint not in told] == []


@pytest.mark.fault("I3")
def test_a_jump_host_that_is_an_option_or_a_command_is_refused(tmp_path: Path) -> None:
    more = ["gate:0", "gate:70000", "gate:22x", "-x@gate", "u v@gate", "gate,-oN", "[::1%e;x]", "gate,,gate", "u@"]
    hostile = [*OPTIONS, *COMMANDS, "bücher.example", *more]
    said = refused(tmp_path, [f"{{access: {{ssh: {{jump: {json.dumps(one)}}}}}}}" for one in hostile])
    assert [one for one, told in zip(hostile, said, strict=True) if "is no jump host; write" not in told] == []


@pytest.mark.fault("I3")
@pytest.mark.parametrize("good", ["gate", "audit@gate.example:2222", "[::1]:22", "10.0.0.1, gate_2", "none", "10-gw"])
def test_jump_hosts_as_ssh_takes_them_are_taken(tmp_path: Path, good: str) -> None:
    path = write(tmp_path, f"assets: {{a: {{access: {{ssh: {{jump: {json.dumps(good)}}}}}}}}}\n")
    assert read_inventory(path).assets


@pytest.mark.fault("I3")
def test_a_port_that_is_none_is_refused(tmp_path: Path) -> None:
    ways = ["{ssh: {port: %s}}", "{winrm: {user: u, password: 'env:X', port: %s}}"]
    ports = [
        "0",
        "-1",
        "65536",
        "1e9",
        "0x16",
        "022",
        "22; rm",
        "$(x)",
        "-oN x",
        "22.5",
        "true",
        "[22]",
        "99999999999999999",
    ]
    said = refused(tmp_path, [f"{{access: {way % port}}}" for way in ways for port in ports])
    assert ["port" in told for told in said] == [True] * len(said), said
    looks = ["1 -oN x", "-p-", "0", "65536", "9-1", "T:22,;x", "ssh", "", "1e3", "-", "S:1", "$(x)", "top-0", "22 23"]
    said = refused(tmp_path, [f"{{network: {{addresses: 127.0.0.1, ports: {json.dumps(one)}}}}}" for one in looks])
    assert ["port" in told for told in said] == [True] * len(said), said


@pytest.mark.fault("I4")
@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("../../x", "an id has"), ("/etc/x", "an id has"), ("..", "an id has"), (".", "an id has"), (".x", "an id has"),
        ("x.", "an id has"), ("a\0b", "an id has"), ("x" * 300, "an id has"), ("-x", "an id has"), ("a b", "an id has"),
        ("a\nb", "an id has"), ("a\\b", "an id has"), ("é", "an id has"), ("a:b", "an id has"), ("", "an id has"),
        ("CON", "for a device"), ("con", "for a device"), ("nul.txt", "for a device"), ("Lpt1", "for a device"),
    ],
)  # fmt: skip
def test_an_id_that_is_a_path_a_device_or_no_name_is_refused(tmp_path: Path, id: str, said: str) -> None:
    write(tmp_path, f"assets:\n  ok: {{access: local}}\n  {json.dumps(id)}: {{access: local}}\n")
    with pytest.raises(UsageError) as caught:
        read_inventory(tmp_path / "inventory.yaml")
    assert f"inventory.yaml:3: asset {id[:110]!r}" in str(caught.value)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.fault("I4")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  Web: {access: local}\n  web: {access: local}\n", ":3: asset 'web' differs from 'Web' only in case"),
        (
            "  Web: {network: [{from: x, addresses: 10.0.0.1}]}\n  web: {network: [{from: x, addresses: 10.0.0.2}]}\n",
            ":3: asset 'web@x' differs from 'Web@x' only in case",
        ),
        ("  a: {access: {aws: {profiles: [x]}}}\n  a-x: {access: aws}\n", ":3: asset 'a-x' is there twice"),
        ("  a: {access: {aws: {profiles: [x]}}}\n  A-X: {access: aws}\n", ":3: asset 'A-X' differs from 'a-x'"),
        ("  a: {access: {aws: {profiles: [x/y, x+y]}}}\n", ":2: asset 'a-x-y' is there twice"),
        ("  a: {access: {aws: {profiles: [%s1, %s2]}}}\n" % (("x" * 99,) * 2), "is there twice"),
    ],
)
def test_assets_that_no_file_could_tell_apart_are_refused(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, f"assets:\n{text}")
    took = bounded(tmp_path, "inventory", "check", "-i", "inventory.yaml")
    assert (took.code, took.stdout) == (2, "")
    assert f"inventory.yaml{said}" in took.stderr or said in took.stderr
    assert "rename one" in took.stderr


@pytest.mark.fault("I4")
def test_no_file_is_named_after_an_asset(tmp_path: Path) -> None:
    ids = ["a..b", "a_", "x" * 100, "com10", "A-1.tar.gz"]
    write(tmp_path, "assets:\n" + "".join(f"  {id}: {{access: organisation}}\n" for id in ids))
    ends = ("html", "json", "csv", "md", "xml", "sarif", "prom", "xlsx")
    outputs = [word for end in ends for word in ("-o", f"r.{end}")]
    took = bounded(tmp_path, "scan", "-i", "inventory.yaml", "--register", "r.db", "--fail-on", "never", *outputs)
    assert took.code == 3, took.stderr
    assert {one["id"] for one in json.loads((tmp_path / "r.json").read_text())["assets"]} == set(ids)
    ours = {"inventory.yaml", ".peak", *(f"r.{end}" for end in ends)}
    left = {one.name for one in tmp_path.rglob("*")} - ours
    assert all(name.startswith("r.db") for name in left), left
