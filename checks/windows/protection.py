"""Protection by hardware: isolation by the hypervisor, and the encryption of disks, as they really are in force."""

from __future__ import annotations

from scanner import Absent, Fact, check, powershell

from .rows import Row, field, rows, word

_GUARD = """
$space = 'root/Microsoft/Windows/DeviceGuard'
try { $guards = @(Get-CimInstance -Namespace $space -ClassName Win32_DeviceGuard) } catch {
    if ($_.FullyQualifiedErrorId -notmatch '0x8004100e|0x80041010') { throw }
    $guards = @()
}
foreach ($one in $guards) {
    @{ Status = [int]$one.VirtualizationBasedSecurityStatus
        Running = @($one.SecurityServicesRunning | ForEach-Object { [int]$_ }) }
}
""".strip()
_VOLUMES = """
$space = 'root/CIMV2/Security/MicrosoftVolumeEncryption'
try { $volumes = @(Get-CimInstance -Namespace $space -ClassName Win32_EncryptableVolume) } catch {
    if ($_.FullyQualifiedErrorId -notmatch '0x8004100e|0x80041010') { throw }
    $volumes = @()
}
foreach ($one in $volumes) {
    @{ Drive = '' + $one.DriveLetter; Type = [int]$one.VolumeType; Protection = [int]$one.ProtectionStatus }
}
""".strip()
_SERVICES = {1: "credential-guard", 2: "code-integrity", 3: "system-guard", 4: "firmware-measurement"}

GUARD = Fact(powershell(_GUARD, of="Get-CimInstance"), rows)
VOLUMES = Fact(powershell(_VOLUMES, of="Get-CimInstance"), rows)


@check("windows.protection.isolated", GUARD)
def isolated(found: list[Row]) -> list[str]:
    """What runs isolated by the hypervisor: credential-guard, code-integrity … Source: Win32_DeviceGuard."""
    if not found:
        raise Absent("this Windows knows no virtualization-based security")
    if field(found[0], "Status", int) != 2:
        return []
    return [word(_SERVICES, number) for number in field(found[0], "Running", list) if number]


@check("windows.protection.drive_encrypted", VOLUMES)
def drive_encrypted(found: list[Row]) -> dict[str, bool]:
    """Per fixed drive with a letter: whether BitLocker protects it. Source: Win32_EncryptableVolume, types 0 and 1."""
    if not found:
        raise Absent("this Windows has no BitLocker")
    fixed = [one for one in found if field(one, "Drive", str) and field(one, "Type", int) in {0, 1}]
    return {field(one, "Drive", str): field(one, "Protection", int) == 1 for one in fixed}
