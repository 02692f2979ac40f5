"""Protection by hardware: isolation by the hypervisor, and the encryption of disks, as they really are in force."""

from __future__ import annotations

from scanner import Absent, Fact, check, powershell

from .rows import Row, rows

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
    if found[0]["Status"] != 2:
        return []
    return [_SERVICES.get(number, str(number)) for number in found[0]["Running"] if number]


@check("windows.protection.drive_encrypted", VOLUMES)
def drive_encrypted(found: list[Row]) -> dict[str, bool]:
    """Per fixed drive with a letter: whether BitLocker protects it. Source: Win32_EncryptableVolume, types 0 and 1."""
    if not found:
        raise Absent("this Windows has no BitLocker")
    return {str(one["Drive"]): one["Protection"] == 1 for one in found if one["Drive"] and one["Type"] in {0, 1}}
