"""The rights of a scan account on Windows machines, as the PowerShell lines that give them and nothing beyond."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.errors import UsageError
from scanner.model import Probe

_TEXT = r"""# The rights of Riskline's account on a Windows machine, for {total} questions ({few} for administrators).
# Run it once on each machine as an administrator, or set the same by Group Policy: two groups, four rights.
#
# Why this is no JEA role: JEA narrows PowerShell remoting. Riskline uses WinRM's command shell, which a JEA endpoint
# does not touch, and sends its questions as one script, which a session without a language would refuse.

$account = '{account}'

# Whoever is in this group (Remote Management Users) may open a command shell over WinRM, and nothing else.
Add-LocalGroupMember -SID 'S-1-5-32-580' -Member $account

# As long as it is no administrator, these questions stay unanswered, and their controls are unknown, never passed:
{listed}
# To have them answered, too, make it an administrator:
Add-LocalGroupMember -SID 'S-1-5-32-544' -Member $account

# Close every other way in for it. In Group Policy below Computer Configuration > Policies > Windows Settings > Security
# Settings > Local Policies > User Rights Assignment, add the account to:
#   Deny log on locally                         (SeDenyInteractiveLogonRight)
#   Deny log on through Remote Desktop Services (SeDenyRemoteInteractiveLogonRight)
#   Deny log on as a batch job                  (SeDenyBatchLogonRight)
#   Deny log on as a service                    (SeDenyServiceLogonRight)
# On a domain controller there are no local groups; there it is:
#   Add-ADGroupMember -Identity 'S-1-5-32-580' -Members riskline
"""


def account_rights(account: str, probes: Iterable[Probe]) -> str:
    """The lines for an account such as 'EXAMPLE\\riskline'. UsageError for a name that would be more than a name."""
    if not account.replace("\\", "", 1).replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"--user {account}: letters, digits, dash, dot and underscore only, after DOMAIN\\ or without")
    asked = list(probes)
    few = [probe for probe in asked if probe.privileged]
    listed = "".join(f"#   {_name(probe)}\n" for probe in few)
    return _TEXT.format(total=len(asked), few=len(few), account=account, listed=listed or "#   none\n").rstrip("\n")


def _name(probe: Probe) -> str:
    """What is asked, in one line of a comment: the cmdlet, or what Windows exports."""
    return " ".join((probe.absence or probe.key).split())[:100]
