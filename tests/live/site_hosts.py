"""Hosts of one site, in the network namespace that this is started in: `python -m tests.live.site_hosts ADDRESS…`.

Prints, as JSON, how they are entered; ends when its standard input does.
"""

from __future__ import annotations

import json
import sys

from .sshd import sshd


def main() -> None:
    everywhere = "\nListenAddress ".join(["127.0.0.1", *sys.argv[1:]])
    with sshd(ListenAddress=everywhere, LogLevel="VERBOSE") as server:
        known = "".join(f"[{one}]:{server.port} {server.host_key}\n" for one in sys.argv[1:])
        told = {"port": server.port, "key": str(server.key), "known": known, "log": str(server.folder / "log")}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
