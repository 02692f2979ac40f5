"""The Windows PowerShell 5.1 text around the questions: what every visit runs, whatever it asks.

It needs no module of ours, calls no method that Constrained Language Mode forbids unless the session has full language,
and leaves nothing behind: only two of Windows' own tools can say what they know through a file alone (secedit and
auditpol), and theirs lie in a folder of random name in the login's own temporary folder, removed in a `finally`.
Nothing is read in the display language: accounts are SIDs, audit subcategories GUIDs, enumerations numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

BOOTSTRAP = 'powershell.exe -NoLogo -NoProfile -NonInteractive -Command "Invoke-Expression (@($input) -join [char]10)"'
"""The one command line of a visit, far below any limit: it reads the script from standard input, then runs it."""

PRELUDE = r"""
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'
$full = $ExecutionContext.SessionState.LanguageMode -eq 'FullLanguage'
$elevated = [bool](@(& "$env:SystemRoot\System32\whoami.exe" /groups /fo csv /nh) -match 'S-1-16-(12288|16384)')
$until = (Get-Date).AddSeconds($seconds)

$answer = {
    param($of, $cap, $source)
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    $WarningPreference = 'SilentlyContinue'
    try {
        if ($of -and -not (Get-Command -Name $of -ErrorAction SilentlyContinue)) {
            return @{ s = 'absent'; d = "this Windows has no $of" }
        }
        $rows = @(Invoke-Expression -Command $source)
        $text = ConvertTo-Json -InputObject $rows -Depth 8 -Compress
        if ($text.Length -gt $cap) { return @{ s = 'truncated'; d = "longer than $cap characters" } }
        @{ s = 'ok'; t = $text }
    } catch {
        @{ s = 'error'; d = '' + $_.Exception.Message; e = "$($_.CategoryInfo) $($_.FullyQualifiedErrorId)" }
    }
}

function Get-RisklineAnswer($number, $of, $limit, $cap, $privileged, $source) {
    $took = Get-Date
    $left = ($until - $took).TotalSeconds
    if ($limit -lt $left) { $left = $limit }
    $reply = @{ s = 'timed-out'; d = "not done after $([int]$left) s" }
    if ($privileged -and -not $elevated) {
        $reply = @{ s = 'denied'; d = '' }
    } elseif ($left -le 0) {
        $reply = @{ s = 'timed-out'; d = 'the visit had no time left for it' }
    } elseif (-not $full) {
        $reply = & $answer $of $cap $source
    } else {
        $shell = [powershell]::Create()
        $null = $shell.AddScript([string]$answer).AddArgument($of).AddArgument($cap).AddArgument($source)
        $begun = $shell.BeginInvoke()
        if ($begun.AsyncWaitHandle.WaitOne([int]($left * 1000))) {
            $reply = @($shell.EndInvoke($begun))[0]
            $shell.Dispose()
        } else { $null = $shell.BeginStop($null, $null) }
    }
    $ms = [int]((Get-Date) - $took).TotalMilliseconds
    @{ n = $number; s = $reply.s; t = $reply.t; d = $reply.d; e = $reply.e; ms = $ms }
}

function Get-RisklineReading($key, $name) {
    $root, $path = $key -split '\\', 2
    if (-not $full) {
        $long = @{ HKLM = 'HKEY_LOCAL_MACHINE'; HKU = 'HKEY_USERS' }[$root]
        try { $item = Get-Item -LiteralPath "Registry::$long\$path" } catch {
            if ($_.CategoryInfo.Category -eq 'ObjectNotFound') { return @{ found = 'nothing' } }
            throw
        }
        if (@($item.Property) -notcontains $name) { return @{ found = 'key' } }
        $value = (Get-ItemProperty -LiteralPath "Registry::$long\$path").$name
        if ($value -is [int]) { return @{ found = 'value'; kind = 'DWord'; value = [int64]$value -band 4294967295 } }
        if ($value -is [array]) { return @{ found = 'value'; kind = 'MultiString'; value = @($value) } }
        return @{ found = 'value'; kind = 'String'; value = $value }
    }
    $hive = @{ HKLM = 'LocalMachine'; HKU = 'Users' }[$root]
    $opened = [Microsoft.Win32.RegistryKey]::OpenBaseKey($hive, 'Registry64').OpenSubKey($path)
    if ($null -eq $opened) { return @{ found = 'nothing' } }
    try {
        if (@($opened.GetValueNames()) -notcontains $name) { return @{ found = 'key' } }
        $kind = '' + $opened.GetValueKind($name)
        $value = $opened.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
        if ($kind -eq 'DWord') { $value = [int64]$value -band 4294967295 }
        @{ found = 'value'; kind = $kind; value = $value }
    } finally { $opened.Close() }
}

function Get-RisklineUsers {
    if ($full) {
        $names = [Microsoft.Win32.RegistryKey]::OpenBaseKey('Users', 'Registry64').GetSubKeyNames()
    } else { $names = @(Get-ChildItem -LiteralPath 'Registry::HKEY_USERS').PSChildName }
    @($names) -match '^S-1-(5-21|12-1)-[0-9-]+$'
}

function Get-RisklineRegistry($number, $key, $name) {
    try {
        if ($key -like 'HKU\[*]\*') {
            $users = @{}
            foreach ($sid in @(Get-RisklineUsers)) {
                if ($sid) { $users[$sid] = Get-RisklineReading "HKU\$sid\$($key.Substring(6))" $name }
            }
            $found = @{ users = $users }
        } else { $found = Get-RisklineReading $key $name }
        @{ n = $number; s = 'ok'; t = (ConvertTo-Json -InputObject $found -Depth 5 -Compress) }
    } catch {
        $said = "$($_.CategoryInfo) $($_.FullyQualifiedErrorId)"
        @{ n = $number; s = 'error'; d = '' + $_.Exception.Message; e = $said }
    }
}
"""

ENDING = r"""
$json = ConvertTo-Json -InputObject @($replies) -Depth 4 -Compress
if ($full) {
    $bytes = [Text.Encoding]::UTF8.GetBytes($json)
    $memory = New-Object -TypeName IO.MemoryStream
    $mode = [IO.Compression.CompressionMode]::Compress
    $packer = New-Object -TypeName IO.Compression.GZipStream -ArgumentList $memory, $mode
    $packer.Write($bytes, 0, $bytes.Length)
    $packer.Close()
    "$nonce GZ"
    [Convert]::ToBase64String($memory.ToArray())
} else {
    "$nonce RAW"
    $json
}
"$nonce END"
"""

EXPORTS: Mapping[str, str] = {
    # secedit prints nothing of use; its export is the only way to the effective account policy and to user rights.
    # An account that it writes by name (a local one) is turned into its SID here, where the name is known.
    "security-policy": r"""
$folder = Join-Path -Path $env:TEMP -ChildPath ('riskline-' + (New-Guid).Guid)
$null = New-Item -ItemType Directory -Path $folder
try {
    $file = Join-Path -Path $folder -ChildPath 'policy.inf'
    $log = Join-Path -Path $folder -ChildPath 'export.log'
    $tool = "$env:SystemRoot\System32\secedit.exe"
    $null = & $tool /export /cfg $file /areas SECURITYPOLICY USER_RIGHTS /log $log /quiet
    if (-not (Test-Path -LiteralPath $file)) { throw "secedit gave no export (status $LASTEXITCODE)" }
    $lines = @(Get-Content -LiteralPath $file)
    $names = @{}
    foreach ($line in $lines) {
        if ($line -match '^Se[A-Za-z]+ *= *(.*)$') {
            foreach ($one in @($Matches[1] -split ',')) {
                $account = $one.Trim()
                if ($account -and $account -notmatch '^[*]') {
                    try {
                        $known = [Security.Principal.NTAccount]$account
                        $names[$account] = $known.Translate([Security.Principal.SecurityIdentifier]).Value
                    } catch { $names[$account] = '' }
                }
            }
        }
    }
    @{ text = ($lines -join [char]10); names = $names }
} finally { Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue }
""",
    # What auditpol prints is in the display language; what it backs up has a number beside each subcategory's GUID.
    "audit-policy": r"""
$folder = Join-Path -Path $env:TEMP -ChildPath ('riskline-' + (New-Guid).Guid)
$null = New-Item -ItemType Directory -Path $folder
try {
    $file = Join-Path -Path $folder -ChildPath 'audit.csv'
    $null = & "$env:SystemRoot\System32\auditpol.exe" /backup "/file:$file"
    if (-not (Test-Path -LiteralPath $file)) { throw "auditpol gave no backup (status $LASTEXITCODE)" }
    @{ text = (@(Get-Content -LiteralPath $file -Encoding UTF8) -join [char]10) }
} finally { Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue }
""",
}
"""What the form "exported" asks: name → the text that is run for it."""
