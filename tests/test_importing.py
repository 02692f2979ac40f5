"""Inventories made out of other lists: every form gives the same assets, nothing secret comes along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.importing import as_inventory, from_ansible, from_csv
from scanner.inventory import read_inventory
from scanner.model import Asset

from .bounded import bounded

INI = """
mail.example.org ansible_port=2222
[web]
web[01:02].example.org ansible_user=deploy ansible_password=hunter2
[db]
db-1 ansible_host=192.0.2.7
[win]
w1 ansible_connection=winrm ansible_user='EXAMPLE\\scan'
box ansible_connection=docker
[prod:children]
web
db
[prod:vars]
ansible_user=audit
[all:vars]
ansible_ssh_common_args='-o ProxyJump=x'
"""
YAML = """
all:
  hosts:
    mail.example.org: {ansible_port: 2222}
  children:
    prod:
      vars: {ansible_user: audit}
      children:
        web:
          hosts:
            web[01:02].example.org: {ansible_user: deploy, ansible_password: hunter2}
        db:
          hosts:
            db-1: {ansible_host: 192.0.2.7}
    win:
      hosts:
        w1: {ansible_connection: winrm, ansible_user: 'EXAMPLE\\scan'}
        box: {ansible_connection: docker}
"""
JSON = json.dumps(
    {
        "_meta": {
            "hostvars": {
                "mail.example.org": {"ansible_port": 2222},
                "web01.example.org": {"ansible_user": "deploy", "ansible_password": "hunter2"},
                "web02.example.org": {"ansible_user": "deploy", "ansible_password": "hunter2"},
                "db-1": {"ansible_host": "192.0.2.7", "ansible_user": "audit"},
                "w1": {"ansible_connection": "winrm", "ansible_user": "EXAMPLE\\scan"},
                "box": {"ansible_connection": "docker"},
            }
        },
        "all": {"children": ["ungrouped", "prod", "win"]},
        "ungrouped": {"hosts": ["mail.example.org"]},
        "prod": {"children": ["web", "db"]},
        "web": {"hosts": ["web01.example.org", "web02.example.org"]},
        "db": {"hosts": ["db-1"]},
        "win": {"hosts": ["w1", "box"]},
    }
)


def read(text: str, folder: Path) -> dict[str, Asset]:
    (folder / "inventory.yaml").write_text(text)
    return {asset.id: asset for asset in read_inventory(folder / "inventory.yaml").assets}


@pytest.mark.parametrize("text", [INI, YAML, JSON], ids=["ini", "yaml", "json"])
def test_an_ansible_inventory_gives_the_same_assets_in_each_of_its_forms(text: str, tmp_path: Path) -> None:
    found = from_ansible(text, "hosts")
    assets = read(as_inventory(found), tmp_path)
    assert set(assets) == {"mail.example.org", "web01.example.org", "web02.example.org", "db-1", "w1"}
    web, db, mail, windows = (assets[id].access for id in ("web01.example.org", "db-1", "mail.example.org", "w1"))
    assert web and web.ssh and web.ssh.user == "deploy"
    assert db and db.ssh and db.ssh.user == "audit"
    assert mail and mail.ssh and (mail.ssh.port, mail.ssh.user) == (2222, None)
    assert windows and windows.winrm and windows.winrm.user == "EXAMPLE\\scan"
    assert windows.winrm.password == "env:RISKLINE_WINDOWS_PASSWORD"
    assert assets["db-1"].address == "192.0.2.7"
    assert set(assets["web01.example.org"].groups) == {"prod", "web"}
    assert found.left_out == ["box: reached by docker, which Riskline has no way for"]
    assert "hunter2" not in as_inventory(found)


def test_jump_hosts_keys_and_every_group_above_come_along() -> None:
    text = """
[pg]
db1 ansible_ssh_private_key_file=~/.ssh/audit ansible_ssh_common_args='-o ProxyJump=gate@bastion:2222'
db2 ansible_ssh_extra_args="-J bastion"
db3 ansible_ssh_common_args='-o ProxyCommand="nc -x proxy %h %p"'
[db:children]
pg
[prod:children]
pg
[prod:vars]
ansible_user=audit
"""
    found = from_ansible(text, "hosts.ini")
    assert found.assets["db1"]["access"] == {
        "ssh": {"user": "audit", "key": "~/.ssh/audit", "jump": "gate@bastion:2222"}
    }
    assert found.assets["db2"]["access"]["ssh"]["jump"] == "bastion"
    assert found.left_out == ["db3: its ProxyCommand; write `jump:` for it if it leads through a host"]
    assert set(found.assets["db1"]["groups"]) == {"pg", "db", "prod"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("web:\n  hosts: [a, b]\n", "hosts: web: hosts must be a mapping.* not a list"),
        ("web:\n  vars: ansible_password=hunter2\n", "hosts: web: vars must be a mapping.* not a text"),
        ("web:\n  hosts:\n    a: hunter2\n", "hosts: web: a must be a mapping.* not a text"),
        ("web:\n  children:\n    db: 5\n", "hosts: db must be a mapping.* not a value"),
        ('{"web": {"hosts": "hunter2"}}', "hosts: web: hosts must be a list, and not a text"),
        ('{"_meta": {"hostvars": {"a": "hunter2"}}}', "hosts: hostvars: a must be a mapping.* not a text"),
        ("[web]\nw[1:90000]x[1:90000]\n", "more than 100000 hosts"),
    ],
)
def test_an_ansible_inventory_of_another_shape_is_refused_without_its_values(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as refused:
        from_ansible(text, "hosts")
    assert "hunter2" not in str(refused.value)


def test_one_bare_name_is_a_host_as_for_ansible() -> None:
    assert set(from_ansible("web:\n  hosts: a\n", "hosts").assets) == {"a"}


def test_a_table_becomes_assets_with_owner_worth_and_tags(tmp_path: Path) -> None:
    table = (
        "\ufeffID;Address;Access;User;Owner;Service;Zone;Criticality;Groups;Tags\r\n"
        "web-1;192.0.2.1;ssh;audit;Anna;shop;internet;3/4/5;web,prod;room=north|rack=7\r\n"
        "dc-1;dc-1.example.org;winrm;;;;;4;;\r\n;;;;;;;;;\r\n"
    )
    assets = read(as_inventory(from_csv(table, "a.csv")), tmp_path)
    web = assets["web-1"]
    assert (web.owner, web.service, web.zone, web.tags) == ("Anna", "shop", "internet", {"room": "north", "rack": "7"})
    assert (web.criticality.c, web.criticality.i, web.criticality.a) == (3, 4, 5)
    assert assets["dc-1"].criticality.c == 4
    assert assets["dc-1"].kind == "windows"


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("id,colour\nx,red\n", "a.csv:1: there is no column 'colour'"),
        ("owner\nx\n", "neither `id` nor `address`"),
        ("id,access\nx,telnet\n", "a.csv:2: access 'telnet'"),
        ("id,criticality\nx,high\n", "a.csv:2: criticality 'high'"),
        ("id\nx\nx\n", "a.csv:3: x stands here twice"),
    ],
)
def test_a_table_names_its_mistakes_by_line(table: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        from_csv(table, "a.csv")


@given(st.text(max_size=300))
def test_any_text_is_an_inventory_or_is_refused(text: str) -> None:
    for form in (from_ansible, from_csv):
        try:
            as_inventory(form(text, "x"))
        except UsageError:
            continue


@pytest.mark.fault("I1")
@pytest.mark.parametrize(
    "text", ["\n" * 1_000_000, "[a\n" * 300_000, " " * 1_000_000, "a:\n" * 100_000, "a[0:9]" * 2_000]
)
def test_a_list_of_hosts_of_any_length_is_told_apart_in_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "hosts").write_text(text)
    took = bounded(tmp_path, "inventory", "import", "ansible", "hosts")
    assert (took.code, took.peak_mib < 256) == (2, True), took.stderr
    assert took.stderr.startswith("riskline: ")
    assert "Traceback" not in took.stderr


def run(*words: str) -> Result:
    return CliRunner().invoke(riskline, ["inventory", "import", *words])


def test_the_verb_writes_a_file_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(INI)
    done = run("ansible", str(tmp_path / "hosts"), "-o", str(tmp_path / "inventory.yaml"))
    assert done.exit_code == 0, done.output
    assert "left out: box" in done.output
    assert len(read_inventory(tmp_path / "inventory.yaml").assets) == 5


@pytest.mark.fault("I3")
def test_a_list_that_gives_no_sound_inventory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,address\nx,-oProxyCommand=evil\n")
    assert isinstance(run("csv", str(tmp_path / "a.csv")).exception, UsageError)
    (tmp_path / "b.csv").write_text("id\n")
    assert isinstance(run("csv", str(tmp_path / "b.csv")).exception, UsageError)
