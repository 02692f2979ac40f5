"""What two to four facts together mean: the controls of the made-up baseline `exposure`, in words a leader can read.

A path that passes through another finding has that finding's root cause, and so counts once with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from scanner.model import Control, Effect

BASELINE = "exposure"
WHOLE = "seen-from-both-sides"
_ALL = Effect("total", "total", "total")


def _rules() -> tuple[Control, ...]:
    return (
        Control(
            id=WHOLE,
            title="The host and its network were both looked at",
            why="What only one side knows of can be neither confirmed nor ruled out.",
            fix="Give the scan account the right to list sockets, and let the scanner reach the host's addresses.",
            root_cause="exposure.one-side-only",
        ),
        Control(
            id="reachable-flaw",
            title="No program with a known flaw can be reached over the network",
            why="A published flaw behind an open port is the shortest way into a machine.",
            fix="Install the update, or close the port to everybody who does not need it.",
            exploit=3,
            effect=_ALL,
            root_cause="exposure.reachable-flaw",
            references={"nist-800-53": ("SI-2", "SC-7"), "iso-27001": ("A.8.8", "A.8.20"), "attack": ("T1190",)},
        ),
        Control(
            id="unlisted-exposure",
            title="Every program that can be reached is meant to be",
            why="A service that nobody listed is watched and patched by nobody.",
            fix="Stop the program, close its port in the firewall, or add the port to `expected_open`.",
            exploit=3,
            root_cause="network.unexpected-port",
            references={"nist-800-53": ("CM-7", "SC-7"), "iso-27001": ("A.8.9", "A.8.20"), "attack": ("T1133",)},
        ),
        Control(
            id="shadow-listener",
            title="The host knows of everything that answers in its name",
            why="What answers and is not on the host's own list is another machine, a container, or hides itself.",
            fix="Find out where the port leads: translation, a container, a load balancer; else suspect a break-in.",
            exploit=3,
            root_cause="exposure.shadow-listener",
            references={
                "nist-800-53": ("CM-8", "SI-4"),
                "iso-27001": ("A.8.16", "A.8.20"),
                "attack": ("T1205", "T1014"),
            },
        ),
        Control(
            id="only-the-firewall",
            title="What nobody should reach does not listen for everybody",
            why="One wrong line in the firewall opens what only the firewall keeps shut.",
            fix="Bind the program to 127.0.0.1 or to the address that it is needed on.",
            exploit=1,
            root_cause="exposure.only-the-firewall",
            references={"nist-800-53": ("CM-7", "SC-7"), "iso-27001": ("A.8.9", "A.8.20")},
        ),
        Control(
            id="reach-then-rise",
            title="Nobody who gets in over the network finds a way to all rights",
            why="A small hole in a service and one inside the machine are together a break-in with all rights.",
            fix="Close either of the two; the finding names both.",
            exploit=3,
            effect=_ALL,
            root_cause="exposure.reach-then-rise",
            references={"nist-800-53": ("AC-6", "SI-2"), "iso-27001": ("A.8.2",), "attack": ("T1190", "T1068")},
        ),
        Control(
            id="way-out",
            title="Nobody who gets in over the network can send out what he likes",
            why="Stolen data leave, and an intruder's program calls home, where nothing holds back what goes out.",
            fix="Let the firewall drop what goes out and no rule names; the finding names the service that lets in.",
            exploit=2,
            effect=Effect("partial", "none", "none"),
            root_cause="exposure.way-out",
            references={"nist-800-53": ("SC-7(5)",), "iso-27001": ("A.8.20", "A.8.22"), "attack": ("T1041", "T1071")},
        ),
        Control(
            id="fixed-but-running",
            title="Every program that can be reached runs the code that is installed",
            why="The update is installed and mends nothing: the program that answers was started before it.",
            fix="Restart the program named, or the machine.",
            exploit=3,
            root_cause="listeners.replaced-code",
            references={"nist-800-53": ("SI-2",), "iso-27001": ("A.8.8",), "attack": ("T1190",)},
        ),
        Control(
            id="unsupported-and-exposed",
            title="No system without security updates can be reached over the network",
            why="Every flaw that is found from now on stays open, and anybody can try it.",
            fix="Move to a release that gets updates; until then close every port that can be closed.",
            exploit=4,
            effect=_ALL,
            root_cause="updates.release",
            effort="days",
            references={"nist-800-53": ("SA-22", "SC-7"), "iso-27001": ("A.8.8",), "attack": ("T1190",)},
        ),
        Control(
            id="shared-host-key",
            title="No two machines show the same SSH host key",
            why="Each of them can pass itself off as the other, and what is stolen from one stands for both.",
            fix="On all but one: `rm /etc/ssh/ssh_host_*`, then `ssh-keygen -A`, and restart the SSH server.",
            vector="adjacent",
            exploit=2,
            effect=Effect("total", "partial", "none"),
            root_cause="exposure.shared-host-key",
            references={"nist-800-53": ("IA-3", "SC-12"), "iso-27001": ("A.8.24",), "attack": ("T1557",)},
        ),
        Control(
            id="lateral-key",
            title="No unprotected key on one machine opens another",
            why="Whoever breaks into the one machine walks on into the other without trying.",
            fix="Set a passphrase on the key, limit it with `from=` and `command=`, or take it out of authorized_keys.",
            exploit=2,
            effect=_ALL,
            root_cause="exposure.lateral-key",
            references={"nist-800-53": ("AC-17", "IA-5"), "iso-27001": ("A.8.2", "A.8.5"), "attack": ("T1021.004",)},
        ),
        Control(
            id="unknown-asset",
            title="Everything that answers in a declared network is in the inventory",
            why="A machine that nobody listed is patched, watched and missed by nobody.",
            fix="Find its owner and add it to the inventory, or take it off the network.",
            exploit=3,
            root_cause="exposure.unknown-asset",
            references={"nist-800-53": ("CM-8", "PM-5"), "iso-27001": ("A.5.9",), "cis-controls": ("1.1", "1.2")},
        ),
        Control(
            id="key-unchanged",
            title="Certificates and host keys are the ones first seen",
            why="Another key at the same address is a renewal that somebody knows of, or a machine in the middle.",
            fix="Ask whoever runs the service; where the change was meant, add the new fingerprint to `fingerprints`.",
            exploit=2,
            effect=Effect("total", "total", "none"),
            root_cause="exposure.key-changed",
            references={"nist-800-53": ("IA-3", "SC-23"), "iso-27001": ("A.8.20", "A.8.24"), "attack": ("T1557",)},
        ),
    )


RULES: Mapping[str, Control] = {control.id: control for control in _rules()}
OF_HOSTS = (
    "reachable-flaw",
    "unlisted-exposure",
    "shadow-listener",
    "only-the-firewall",
    "reach-then-rise",
    "way-out",
    "fixed-but-running",
    "unsupported-and-exposed",
)
OF_KEYS = ("shared-host-key", "lateral-key")
OF_LOOKS = ("unknown-asset", "key-unchanged")
