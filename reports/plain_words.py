"""Plain words: which sentence may stand before a leader, and what is said instead of one that may not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

MAX_WORDS = 20
_TECHNICAL = re.compile(
    r"`|\\|(?:^|\s)[/~$%-]\w|\w/\w|://|\bCVE-|\bport \d|\b\d+/(?:tcp|udp)\b"  # commands, paths, addresses, ports
    r"|\b[A-Z]{2,}|\b[a-z]+[A-Z]\w*|\b\w*_\w+|\b\w+\(\d?\)|\b[A-Za-z]+\d\w*|\b\w+\.\w"  # acronyms, identifiers, files
)
_JARGON = re.compile(
    r"\b(?:adjtimex|apparmor|apport|auditd|autofs|avahi|cha?cl|chcon|chrony|ciphers?|core ?dumps?|cramfs|cron"
    r"|[fl]?ch(?:mod|own)(?:at)?|creat|[fl]?(?:remove|set)xattr|ftruncate|openat|renameat|settime(?:ofday)?|setfacl"
    r"|unlinkat|prompt|loopback|redirects?|interfaces?|domain controllers?|registry|cache[sd]?|tokens?|debug(?:ging)?"
    r"|daemons?|dnsmasq|exe|finit|freevxfs|gdm|hash(?:es)?|hfs(?:plus)?|hypervisor|init|inner loop|iptables|jffs|jobs?"
    r"|journald?|kernels?|kmod|modes?|modules?|mount(?:ed|ing|s)?|nft|nftables|nginx|nologin|overlay(?:fs)?|packages?"
    r"|packets?|parsers?|pings?|pipes?|powershell|prelink|prox(?:y|ies)|rhosts|root|rpcbind|rsh|rsync|rsyslog|scripts?"
    r"|selinux|shells?|snap|sockets?|squashfs|sshd|stack|sudo|sysctl|systemd|syscalls?|telnet|tftp|timesyncd|tmp|tnftp"
    r"|kerberos|netlogon|zerologon|wannacry|bluekeep|kubernetes|samba|apache|postfix|openldap|cyrus|firewalld"
    r"|truncate|udf|ufw|umask|unlink|usermod|var|vsftpd|wildcards?|xattr|xinetd)\b",
    re.IGNORECASE,
)
_LEANS = re.compile(
    r"^(?:it|its|they|their|in the time between|after that|(?:with|without|between) (?:it|them|one))\b"
    r"|^the (?:older|fewer)\b|\b(?:this|these|such|otherwise|here)\b",
    re.IGNORECASE,
)
_BLAME = re.compile(r"\b(?:careless|negligen\w*|laz(?:y|iness)|stupid\w*|guilt\w*|blame\w*|culprits?|sloppy)\b", re.I)


def plain(text: str) -> bool:
    """Whether somebody who knows no computer's inside can read it: short sentences, nothing technical, no blame."""
    sentences = [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]
    short = all(len(part.split()) <= MAX_WORDS for part in sentences)
    return (
        text.isprintable()
        and bool(sentences)
        and short
        and not any(rule.search(text) for rule in (_TECHNICAL, _JARGON, _BLAME))
    )


_FAMILIES: Mapping[tuple[str, str], str] = {
    (
        "Somebody could use an account that is not theirs.",
        "Set up the accounts as agreed, and close those that nobody needs.",
    ): "accounts homes shells iam",
    (
        "After a break-in nobody could say what was done, and by whom.",
        "Record the important events, and keep the records safe.",
    ): "audit log time cloudtrail windows.audit windows.log windows.powershell",
    (
        "A stranger could reach what is kept in the cloud.",
        "Set the cloud account to the agreed settings.",
    ): "aws s3 rds ec2 kms",
    (
        "Somebody who stands before the machine could take it over.",
        "Protect the start of the machine.",
    ): "boot",
    (
        "Somebody with a small foothold could go on to take over the whole system.",
        "Set the protections of the system as agreed.",
    ): "apparmor at cron files integrity kernel module mount passwd selinux su sudo sysctl",
    (
        "A stranger could reach parts of a server that nobody meant to offer.",
        "Let the firewall pass only what is needed.",
    ): "firewall windows.firewall listeners",
    (
        "A stranger could reach or overhear something that is not meant for them.",
        "Close what need not be open to the network, and encrypt the rest.",
    ): "ftp network rdp smb snmp vnc",
    (
        "In an emergency people would have to improvise.",
        "Agree on the rule, write it down, and show that it is kept.",
    ): "organisation",
    (
        "Somebody could guess a password and log in as another person.",
        "Ask for strong passwords, and stop those who guess.",
    ): "pam passwords windows.password windows.lockout windows.guest windows.administrator",
    (
        "A malicious program could do its work before anybody notices.",
        "Keep the virus scanner on, current and complete.",
    ): "windows.defender windows.scanner windows.smartscreen windows.asr",
    (
        "Somebody could take over a server by a right they do not need.",
        "Leave the strong rights to the few who need them.",
    ): "windows.right windows.administrators windows.uac windows.service",
    (
        "Somebody who walks past could act under another person's name.",
        "Lock the screens as agreed.",
    ): "desktop gui windows.screen",
    (
        "An intruder could deny having been warned.",
        "Show the agreed notice before each login.",
    ): "banner windows.notice windows.legal",
    (
        "A stolen key could open more than one machine.",
        "Give each person and machine a key of their own, and withdraw the others.",
    ): "keys",
    (
        "An attacker could use a known flaw that is not mended yet.",
        "Install the updates, and keep them coming.",
    ): "pkg updates cve upgrade no restart vulnerabilities",
    (
        "An attacker could use software that runs although nobody needs it.",
        "Switch off or remove what nobody needs.",
    ): "package packages service dns client windows.telnet windows.tftp windows.spooler",
    (
        "A stranger could get into a server by its remote login.",
        "Set up the remote login as agreed.",
    ): "ssh",
    (
        "Somebody on the way could read or change what is sent.",
        "Use current encryption everywhere.",
    ): "tls crypto windows.ssl3 windows.tls10 windows.tls11 windows.rc4 windows.triple windows.null windows.dotnet"
    " windows.smb1 windows.smb",
    (
        "An attacker could get further on a server than need be.",
        "Set the servers to the agreed settings.",
    ): "windows",
}
FAMILY: Mapping[str, tuple[str, str]] = {word: said for said, words in _FAMILIES.items() for word in words.split()}
"""First word of a root cause, or first two → what could happen, and what fixes it; where own words may not stand."""
_ELSE = (
    "An attacker could use a setting that is weaker than agreed.",
    "Set the systems to the agreed settings.",
)


def told(title: str, why: str, root_cause: str) -> tuple[str, str]:
    """What could happen, and what is to be reached: the control's own words where they are plain, else its family's.

    A reason that leans on its title ("after that day …") gives way too; the title still says what is to be reached.
    """
    words = re.split(r"[. -]", root_cause.lower())
    harm, remedy = FAMILY.get(".".join(words[:2])) or FAMILY.get(words[0]) or _ELSE
    if not (plain(title) and plain(why)):
        return harm, remedy
    return harm if _LEANS.search(why) else _ended(why), _ended(title)


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def often(chance: float) -> str:
    """A yearly chance as a frequency: '1 in 4 years (25 %)', 'less than 1 in 100 years (< 1 %)'; never '0 %'."""
    if chance < 0.01:
        return "less than 1 in 100 years (< 1 %)"
    if chance > 0.99:
        return "every year (> 99 %)"
    percent = f"{chance:.0%}".replace("%", " %")
    if chance > 2 / 3:
        return f"most years ({percent})"
    return f"1 in {max(round(1 / chance), 2)} years ({percent})"


def share(part: float, whole: float) -> str:
    """A share that is never rounded up, to nothing or to all: 'none', '< 1 %', '37 %', '> 99 %', 'all'."""
    if part <= 0 or whole <= 0:
        return "none"
    if part >= whole:
        return "all"
    exact = 100 * part / whole
    if exact < 1:
        return "< 1 %"
    return "> 99 %" if exact > 99 else f"{math.floor(exact + 1e-9)} %"


def work(days: float) -> str:
    """An effort in working days of eight hours: 'under 1 hour', 'about 3 hours', 'about 12 days'."""
    if days < 0.125:
        return "under 1 hour"
    if days < 0.95:
        return f"about {counted(round(8 * days), 'hour')}"
    return f"about {counted(round(days), 'day')}"


def counted(number: int, one: str, many: str = "") -> str:
    """'1 system', '3 systems'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
