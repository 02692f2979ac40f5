"""SSH: one connection, one session, at most one sudo; the whole batch as a script on standard input.

The visit is over at its deadline whatever the server does: every wait has an end, and a watchdog tears the socket.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence

import paramiko
import tenacity

from scanner.errors import AuthFailed, TargetError, Unreachable, UsageError
from scanner.model import Asset, Probe, Reply, Ssh

from . import Bounds, hanging
from .keeping import kept_here
from .posix import Batch
from .ssh_hosts import Shown
from .ssh_login import Connection, Silent, host_key, log_in, refusal, secure, tear
from .ssh_route import Hop, route
from .ssh_session import exchange
from .ssh_socket import HungUp, connect
from .ssh_watch import watched


def visit(asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
    """Put all probes in one session. Raises Unreachable, AuthFailed, HostKeyChanged, VisitFailed.

    An error carries what was learned of the host key all the same.
    """
    way = (asset.access.ssh if asset.access else None) or Ssh()
    until = time.monotonic() + bounds.deadline_s
    # answers come unpacked: what a hung host had already said would otherwise be lost inside gzip's buffer
    batch = Batch(probes, sudo=way.sudo != "never", collector=way.sudo == "collector")
    learned: dict[Probe, Reply] = {}
    try:
        hops = route(asset.address or asset.id, way)
        with contextlib.ExitStack() as stack:
            transport = _arrive(stack, hops, way, until, probes, learned)
            found = hanging.put(batch, lambda some, seen: exchange(transport, some, until, bounds.max_bytes - seen))
        return {**found, **learned}
    except UsageError as error:  # a credential's reference leads nowhere: this asset's trouble, not the run's
        raise AuthFailed(f"{asset.address or asset.id}: {error}", learned) from error
    except TargetError as error:
        error.answered = {**error.answered, **learned}
        raise


def _arrive(
    stack: contextlib.ExitStack,
    hops: Sequence[Hop],
    way: Ssh,
    until: float,
    probes: Sequence[Probe],
    learned: dict[Probe, Reply],
) -> Connection:
    """The connection to the last hop, through all others. Each of them is held to its host key."""
    *jumps, target = hops
    gateway = _gateway(stack, jumps, way, until)
    try:
        transport = _reach(gateway, target, way, until)
    except Unreachable:
        if gateway is None or gateway.is_active():
            raise
        transport = _reach(_gateway(stack, jumps, way, until), target, way, until)
    _hold(stack, transport, until)
    shown = host_key(transport, target, way.host_keys)
    learned |= _answers(probes, shown)
    refused = refusal(target, shown)
    if refused is not None:
        raise refused
    log_in(transport, target, min(until, time.monotonic() + 2 * way.connect_timeout_s))
    return transport


def _gateway(stack: contextlib.ExitStack, jumps: Sequence[Hop], way: Ssh, until: float) -> Connection | None:
    """The connection to the last jump host: the one that this thread's last visit used, if it came by the same way."""
    if not jumps:
        return None
    key = (*jumps, way.host_keys)
    kept = kept_here()
    found = kept.get(key) if kept else None
    if not (isinstance(found, Connection) and found.is_active()):
        with contextlib.ExitStack() as opening:
            found = _pass(opening, stack, jumps, way, until)
            if kept:
                kept.keep(key, found, opening.pop_all())
            else:
                stack.push(opening.pop_all())
    else:
        stack.enter_context(watched(found, until))
    return found


def _pass(
    opening: contextlib.ExitStack, stack: contextlib.ExitStack, jumps: Sequence[Hop], way: Ssh, until: float
) -> Connection:
    """Log in at one jump host after the other. opening: ends them; stack: ends this visit's watch over them."""
    before: Connection | None = None
    for hop in jumps:
        before = _reach(before, hop, way, until)
        opening.callback(tear, before)
        stack.enter_context(watched(before, until))
        refused = refusal(hop, host_key(before, hop, way.host_keys))
        if refused is not None:
            raise refused
        log_in(before, hop, min(until, time.monotonic() + 2 * way.connect_timeout_s))
    assert before is not None
    return before


def _hold(stack: contextlib.ExitStack, transport: Connection, until: float) -> None:
    """Tear the connection when the stack unwinds, or once its time is over."""
    stack.callback(tear, transport)
    stack.enter_context(watched(transport, until))


def _answers(probes: Sequence[Probe], shown: Shown) -> dict[Probe, Reply]:
    reply = shown.reply
    return {} if reply is None else {probe: reply for probe in probes if probe.ask == ("visit", "host-key")}


def _is_enough(tried: tenacity.RetryCallState) -> bool:
    error = tried.outcome.exception() if tried.outcome else None
    until: float = tried.args[-1]
    return tried.attempt_number >= (2 if isinstance(error, Silent) else 4) or until - time.monotonic() < 1


_AGAIN = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type((HungUp, Silent)),
    wait=tenacity.wait_random(0.1, 0.6) + tenacity.wait_random_exponential(multiplier=0.25, max=2),
    stop=_is_enough,
    reraise=True,
)


def _reach(before: Connection | None, hop: Hop, way: Ssh, until: float) -> Connection:
    """An encrypted connection to one hop, tried again where a busy server hung up or did not greet in time.

    Waiting times are drawn at random, so that the second tries of many visits do not meet again.
    """
    return _AGAIN(_connect, before, hop, way, until)


def _connect(before: Connection | None, hop: Hop, way: Ssh, until: float) -> Connection:
    now = time.monotonic()
    limit_s = max(min(way.connect_timeout_s, until - now), 0.05)
    sock = connect(hop.host, hop.port, limit_s) if before is None else _through(before, hop, limit_s)
    return secure(sock, hop, now + limit_s)


def _through(jump: Connection, hop: Hop, limit_s: float) -> paramiko.Channel:
    try:
        return jump.open_channel("direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=limit_s)
    except (paramiko.SSHException, OSError, EOFError) as error:
        code = getattr(error, "code", 0)
        why = {1: "the jump host forbids forwarding", 2: "the jump host cannot connect"}.get(code, "no channel in time")
        raise Unreachable(f"{hop.label}: {why}") from error
