"""Scheduled tasks that run with the machine's own rights, and who may put another program in the place of theirs.

The definitions are read from their files, where accounts are SIDs whatever the display language.
"""

from __future__ import annotations

from scanner import Fact, check, powershell

from . import sddl
from .rows import Row, field, rows

_TASKS = r"""
$system = @('S-1-5-18', 'S-1-5-19', 'S-1-5-20')
foreach ($file in @(Get-ChildItem -LiteralPath "$env:SystemRoot\System32\Tasks" -Recurse -File -Force)) {
    $task = ([xml](Get-Content -LiteralPath $file.FullName -Raw)).Task
    $who = $task.Principals.Principal
    if ('false' -eq $task.Settings.Enabled) { continue }
    if (($system -notcontains $who.UserId) -and ('HighestAvailable' -ne $who.RunLevel)) { continue }
    foreach ($run in @($task.Actions.Exec)) {
        if (-not $run.Command) { continue }
        $path = ('' + $run.Command) -replace '"', '' -replace '%(windir|systemroot)%', $env:SystemRoot
        $path = $path -replace '%programfiles%', $env:ProgramFiles -replace '%programdata%', $env:ProgramData
        $path = $path -replace '%systemdrive%', $env:SystemDrive
        if ($path -like "$env:SystemRoot\*" -or $path -notlike '?:\*') { continue }
        $list = ''
        if (Test-Path -LiteralPath $path -PathType Leaf) { $list = '' + (Get-Acl -LiteralPath $path).Sddl }
        @{ Name = $file.FullName -replace '^.*?\\System32\\Tasks', ''; Path = $path; Sddl = $list }
    }
}
""".strip()
_EVERYBODY = {"S-1-1-0", "S-1-5-4", "S-1-5-7", "S-1-5-11", "S-1-5-32-545", "S-1-5-32-546"}

TASKS = Fact(powershell(_TASKS, of="Get-Acl", timeout_s=60.0), rows)


@check("windows.tasks.open_programs", TASKS)
def open_programs(found: list[Row]) -> list[str]:
    """Programs outside of Windows' own folder that a task starts with the machine's rights and any user may change.

    A program that is not there has no access list.
    """
    return [
        f"{field(task, 'Path', str)} ({field(task, 'Name', str)})"
        for task in found
        if (permissions := field(task, "Sddl", str)) and _EVERYBODY & set(sddl.changing(permissions))
    ]
