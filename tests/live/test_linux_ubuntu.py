"""ubuntu-24.04 where it differs from debian-12: on a real Debian root with the files of Ubuntu, judged at rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Chroot, Inventory
from scanner.plan import make_plan
from scanner.transports import Bounds, transport

from .roots import debian_root, overlaid, run_in, why_not
from .test_linux_access import PACKAGES

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "it runs"),
]

UBUNTU = """
rm -f /etc/os-release
printf 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n' > /etc/os-release
"""
HARDENED = (
    UBUNTU
    + r"""
sed -i '/pam_unix.so/i password requisite pam_pwhistory.so use_authtok' /etc/pam.d/common-password
printf 'remember = 24\nenforce_for_root\n' > /etc/security/pwhistory.conf
mkdir -p /usr/lib/sysctl.d /etc/ssh/sshd_config.d
echo 'kernel.apparmor_restrict_unprivileged_userns = 1' > /usr/lib/sysctl.d/10-apparmor.conf
printf 'ENCRYPT_METHOD SHA512\n' > /etc/login.defs
touch /etc/ssh/sshd_config.d/50-cloud-init.conf && chmod 600 /etc/ssh/sshd_config.d/50-cloud-init.conf
printf 'Types: deb\nURIs: http://security.ubuntu.com/ubuntu\nSuites: noble-security\nComponents: main\n' \
  > /etc/apt/sources.list.d/ubuntu.sources
rm -f /etc/apt/sources.list
mkdir -p /etc/sysctl.d /etc/systemd/system/timers.target.wants
echo 'kernel.yama.ptrace_scope = 1' > /etc/sysctl.d/10-ptrace.conf
printf 'net.ipv4.conf.default.rp_filter=1\nnet.ipv4.conf.all.rp_filter=1\n' > /etc/sysctl.d/10-network-security.conf
printf 'ENABLED=0\nURLS="https://motd.ubuntu.com"\nWAIT=5\n' > /etc/default/motd-news
printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' > /etc/systemd/system/motd-news.timer
ln -s /etc/systemd/system/motd-news.timer /etc/systemd/system/timers.target.wants/
printf 'PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"\n' > /etc/environment
mkdir -p /snap/bin /etc/audit/rules.d
printf -- '-w /etc/network/ -p wa\n-w /etc/networks -p wa\n-w /etc/netplan/ -p wa\n' > /etc/audit/rules.d/network.rules
"""
)
WEAKENED = (
    UBUNTU
    + r"""
sed -i '/pam_unix.so/i password requisite pam_pwhistory.so use_authtok' /etc/pam.d/common-password
echo 'remember = 5' > /etc/security/pwhistory.conf
mkdir -p /usr/lib/sysctl.d /etc/sysctl.d /etc/ssh/sshd_config.d
echo 'kernel.apparmor_restrict_unprivileged_userns = 1' > /usr/lib/sysctl.d/10-apparmor.conf
echo 'kernel.apparmor_restrict_unprivileged_userns = 0' > /etc/sysctl.d/60-apparmor.conf
echo 'ENCRYPT_METHOD MD5' > /etc/login.defs
echo 'kernel.yama.ptrace_scope = 1' > /etc/sysctl.d/10-ptrace.conf
echo 'kernel.yama.ptrace_scope = 0' > /etc/sysctl.d/99-debugging.conf
printf 'net.ipv4.conf.default.rp_filter=2\nnet.ipv4.conf.all.rp_filter=2\n' > /etc/sysctl.d/10-network-security.conf
printf 'ENABLED=1\nURLS="https://motd.ubuntu.com"\nWAIT=5\n' > /etc/default/motd-news
mkdir -p /etc/systemd/system/timers.target.wants
printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' > /etc/systemd/system/motd-news.timer
ln -s /etc/systemd/system/motd-news.timer /etc/systemd/system/timers.target.wants/
printf 'PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"\n' > /etc/environment
touch /etc/ssh/sshd_config.d/50-cloud-init.conf && chmod 644 /etc/ssh/sshd_config.d/50-cloud-init.conf
echo 'deb http://ppa.example.org/x noble main' > /etc/apt/sources.list
printf '[Unit]\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' \
  > /etc/systemd/system/apport.service
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s /etc/systemd/system/apport.service /etc/systemd/system/multi-user.target.wants/
cp /bin/true /usr/local/bin/helper && chmod 4755 /usr/local/bin/helper
printf 'Package: snapd\nStatus: install ok installed\nVersion: 2.63\nArchitecture: amd64\nMaintainer: x\n' \
  >> /var/lib/dpkg/status
printf 'Description: x\n\n' >> /var/lib/dpkg/status
mkdir -p /etc/audit/rules.d
printf -- '-w /etc/network/ -p wa\n-w /etc/networks -p wa\n' > /etc/audit/rules.d/network.rules
"""
)
OURS = (
    "PAM-16",
    "PAM-17",
    "KERN-06",
    "KERN-07",
    "KERN-50",
    "PWD-04",
    "SSH-01f",
    "UPD-04a",
    "UPD-04b",
    "FILE-14",
    "MOD-07",
    "BAN-20",
    "KERN-02",
    "KERN-16a",
    "KERN-16b",
    "ACC-05b",
    "AUD-24b",
)


@contextmanager
def judged(script: str) -> Iterator[dict[str, str]]:
    """Control → verdicts, by the baseline that fits the root by itself."""
    with overlaid(debian_root(*PACKAGES)) as root:
        run_in(root, script)
        asset = Asset("root", access=Access(chroot=Chroot(str(root))))
        plan = make_plan(Inventory("test", (asset,)), Catalogue(), select=[f"id={id}" for id in OURS])
        planned = plan.assets[0]
        replies = transport("chroot").visit(asset, planned.visits["chroot"], Bounds())
        found = Judge().findings(planned, make_evidence("root", {p.key: r for p, r in replies.items()}, {}))
    assert {one.baseline for one in found} == {"ubuntu-24.04"}
    yield {one.control: one.outcome.value for one in found}


def test_a_hardened_ubuntu_passes_what_is_different_there() -> None:
    with judged(HARDENED) as found:
        assert {id for id in OURS if found[id] != "pass"} == {"MOD-07"}
        assert found["MOD-07"] == "fail"  # squashfs can be loaded, and no snap needs it


def test_a_weakened_ubuntu_fails_it_and_snap_may_have_its_file_system() -> None:
    with judged(WEAKENED) as found:
        assert found.pop("MOD-07") == "not-applicable"
        assert found.pop("KERN-06") == "pass"
        assert set(found.values()) == {"fail"}
