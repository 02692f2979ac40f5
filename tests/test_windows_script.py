"""The PowerShell that is sent, held to a grammar of PowerShell 5.1 and to a list of what it may call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import tree_sitter
import tree_sitter_powershell

from scanner.catalogue import Catalogue
from scanner.errors import UsageError
from scanner.model import Given, Probe
from scanner.probes import powershell, registry
from scanner.transports.powershell import BOOTSTRAP, Batch, complaint
from scanner.transports.powershell_script import EXPORTS
from scanner.transports.windows_permissions import account_rights

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
PROBES = tuple(
    {
        fact.probe.key: fact.probe
        for check in Catalogue().checks()
        for fact in check.facts
        if fact.probe.via == "windows"
    }.values()
)
NEWER = re.compile(r"&&|\|\||\?\?|\?\.|\bclean\s*\{|-Parallel\b|\bConvertFrom-Json\b[^\n]*-(AsHashtable|Depth)|`u\{")
READING = {
    *("add-member", "compare-object", "confirm-securebootuefi", "convertfrom-json", "convertto-json", "foreach-object"),
    *(
        "get-acl",
        "get-childitem",
        "get-ciminstance",
        "get-command",
        "get-content",
        "get-date",
        "get-item",
        "get-itemproperty",
    ),
    *("get-localgroupmember", "get-localuser", "get-mpcomputerstatus", "get-mppreference", "get-netfirewallprofile"),
    *("get-smbclientconfiguration", "get-smbserverconfiguration", "get-smbshare", "get-tlsciphersuite"),
    *("get-windowsfeature", "invoke-expression", "join-path", "new-guid", "new-object", "select-object", "sort-object"),
    *("test-path", "where-object", "get-risklineanswer", "get-risklinereading", "get-risklineregistry"),
    "get-risklineusers",
}
ON_ITS_OWN_FOLDER = {"new-item", "remove-item"}


def nodes(text: str) -> Iterator[tree_sitter.Node]:
    """All nodes of the text's syntax tree."""
    waiting = [PARSER.parse(text.encode()).root_node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children


def mistakes(text: str) -> list[str]:
    """What the grammar of PowerShell 5.1 does not take, and what only newer versions know."""
    broken = [str(node) for node in nodes(text) if node.type == "ERROR" or node.is_missing]
    return broken + [found[0] for found in NEWER.finditer(without_texts(text))]


def without_texts(text: str) -> str:
    """The text with its quoted parts emptied, so that no pattern finds anything inside them."""
    here = re.sub(r"@'\n.*?\n'@", "''", text, flags=re.DOTALL)
    return re.sub(r"'(?:[^']|'')*'|\"(?:[^\"`]|`.)*\"", "''", here)


def called(text: str) -> set[str]:
    """The names of all commands in a text, in lower case."""
    names = [node for node in nodes(text) if node.type == "command_name"]
    return {node.text.decode().lower() for node in names if node.text and node.parent and node.parent.type == "command"}


def sources() -> dict[str, str]:
    """Every PowerShell text that can be sent: the frame, Windows' two exports, and each question."""
    asked = {probe.key: str(probe.ask[1]) for probe in PROBES if probe.ask[0] == "powershell"}
    return {"frame": Batch(()).script, "bootstrap": BOOTSTRAP.split('"')[1], **EXPORTS, **asked}


def every_probe() -> list[Probe]:
    """All shipped questions, with places that are filled from a control filled with something."""
    words = {"key": "HKLM\\X", "value": "Y", "local_key": "HKLM\\Z", "local_value": "W"}
    return [
        Probe("windows", tuple(words[w.name] if isinstance(w, Given) else w for w in probe.ask), probe.privileged)
        for probe in PROBES
    ]


@pytest.mark.parametrize("name", sorted(sources()))
def test_the_text_is_powershell_5_1(name: str) -> None:
    assert mistakes(sources()[name]) == []


@pytest.mark.parametrize("newer", ["$a = $b ?? 1", "$a ? 1 : 2", "Get-Date && Get-Date", "$a = $b?.c", "f {"])
def test_the_gate_refuses_what_only_newer_versions_know(newer: str) -> None:
    assert mistakes(newer) != []


@pytest.mark.parametrize("name", sorted(sources()))
def test_the_text_calls_nothing_that_writes(name: str) -> None:
    allowed = READING | (ON_ITS_OWN_FOLDER if name in EXPORTS else set())
    assert called(sources()[name]) <= allowed


def test_the_gate_sees_a_call_wherever_it_hides() -> None:
    assert "stop-service" in called("foreach ($x in @(1)) { if ($x) { $null = @(Stop-Service Spooler) } }")


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_an_export_writes_into_a_folder_of_its_own_and_removes_it_whatever_happens(name: str) -> None:
    text = EXPORTS[name]
    begins, ends = text.index("try {"), text.rindex("} finally { Remove-Item -LiteralPath $folder -Recurse")
    assert re.findall(r"New-Item[^\n]*", text) == ["New-Item -ItemType Directory -Path $folder"]
    assert text.index("New-Item") < begins < text.index(".exe") < ends
    assert re.findall(r"Remove-Item[^\n]*", text) == [
        "Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue }"
    ]


def test_the_only_programs_are_three_of_windows_own_by_their_full_path() -> None:
    for text in sources().values():
        for program in re.findall(r"[\w$:\\\"]+\.exe", text.replace("powershell.exe", "")):
            assert re.fullmatch(r'"\$env:SystemRoot\\System32\\(whoami|secedit|auditpol)\.exe', program)


def test_the_whole_script_is_ascii_and_one_piece_of_powershell() -> None:
    script = Batch(every_probe()).script
    assert script.isascii()
    assert mistakes(script) == []


def test_a_registry_place_is_data_whatever_it_says() -> None:
    hostile = "x'\n'@; Stop-Computer; @'\n\u2019@ $(calc) `\"\"\" \u00fc"
    script = Batch([registry("HKLM\\a", hostile)]).script
    assert script.isascii() and mistakes(script) == []
    assert "stop-computer" not in called(script)
    table = re.search(r"-InputObject @'\n(.*?)\n'@", script, re.DOTALL)
    assert table is not None and json.loads(table[1])[0]["v"] == hostile


def test_every_shipped_question_can_be_put() -> None:
    batch = Batch(every_probe())
    assert len(batch.put) == len(PROBES) > 15


def test_the_script_reads_registry_values_without_the_display_language_or_a_32_bit_view() -> None:
    assert "'Registry64'" in Batch(()).script
    assert not re.search(r"\b(wmic|netsh|net)\b(\.exe)? ", " ".join(sources().values()), re.IGNORECASE)


def test_a_broken_third_party_question_cannot_end_its_own_text() -> None:
    batch = Batch([powershell("1\n'@\nStop-Computer"), powershell("1", of="x'; Stop-Computer")])
    assert batch.put == []
    assert "Stop-Computer" not in batch.script


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        (b"", ""),
        (b"Der Befehl wurde nicht gefunden.\r\n", "Der Befehl wurde nicht gefunden."),
        (b'#< CLIXML\r\n<Objs><S S="Error">no such_x000D__x000A_</S><S S="Error">thing</S></Objs>', "no such thing"),
        (b"\xff\xfe" * 50_000, None),
    ],
)
def test_what_powershell_complains_of_is_told_in_one_bounded_line(stderr: bytes, words: str | None) -> None:
    told = complaint(stderr)
    assert len(told) <= 300 and "\n" not in told
    assert words is None or told == words


def test_the_rights_of_the_scan_account_are_powershell_and_name_what_needs_an_administrator() -> None:
    text = account_rights("EXAMPLE\\riskline", every_probe())
    assert mistakes(text) == []
    assert called(text) == {"add-localgroupmember"}
    assert "Get-SmbServerConfiguration" in text
    assert "S-1-5-32-580" in text


@pytest.mark.parametrize("account", ["x' ; Stop-Computer #", "a\\b\\c", "", "x y", "a\nb"])
def test_an_account_is_a_name_and_nothing_more(account: str) -> None:
    with pytest.raises(UsageError):
        account_rights(account, [])
