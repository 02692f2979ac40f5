"""The inventory: merged as documented, and every mistake with file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from scanner.errors import UsageError
from scanner.inventory import inventory_schema, limit, read_inventory, valid_address
from scanner.model import Criticality

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
