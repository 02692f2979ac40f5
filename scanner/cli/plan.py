"""`riskline plan` and `riskline permissions`: what would be asked, and the rights that this needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options as given
from . import pacing

if TYPE_CHECKING:
    from scanner.model import Courtesy, Probe
    from scanner.plan import Plan, PlannedAsset


@click.command()
@given.inventory_option
@given.limit_option
@given.judging_options
@pacing.courtesy_options
@given.look_options
@click.option("--show-script", is_flag=True, help="Print the very script that would be sent.")
def plan(
    inventory_path: Path,
    limit: tuple[str, ...],
    judging: given.Judging,
    viewpoint: str | None,
    yes: bool,
    per_network: int | None,
    per_gateway: int | None,
    per_account: int | None,
    show_script: bool,
) -> None:
    """Show exactly what a scan would ask of which asset, without contacting any.

    Every question is read-only. A line is one question; one visit puts all of them at once.
    """
    from scanner.viewpoints import MOST_UNASKED, size

    found = given.plan_of(inventory_path, limit, judging, viewpoint=viewpoint)
    for asset in found.assets:
        _show_asset(asset, show_script)
    count = size(found.inventory)
    if count > MOST_UNASKED and not yes:
        click.echo(f"{count} addresses are looked at from outside; a scan of more than {MOST_UNASKED} needs --yes")
    pace = pacing.Pace(per_network, per_gateway, per_account)
    _show_courtesy(found, pace.courtesy(found.inventory.at_once))


def _show_asset(planned: PlannedAsset, show_script: bool) -> None:
    from scanner.collect import describe
    from scanner.inert import printable

    controls = sum(len(one.controls) for one in planned.baselines)
    names = ", ".join(one.baseline.id for one in planned.baselines) or "no baseline"
    click.secho(f"{planned.asset.id}", bold=True, nl=False)
    click.echo(f" ({describe(planned.asset)}): {controls} controls of {names}")
    for way, probes in planned.visits.items():
        click.echo(f"  one visit by {way}, {len(probes)} questions:")
        if way == "nmap":
            from scanner.transports.nmap import stated

            for line in stated(planned.asset):
                click.echo(f"    {printable(line)}")
        if show_script:
            click.echo(_script(way, probes))
            continue
        for probe in probes:
            marks = [mark for mark, on in _marks(probe) if on]
            note = f"  [{', '.join(marks)}]" if marks else ""
            click.echo(f"    {printable(probe.key)}{note}")


def _show_courtesy(found: Plan, courtesy: Courtesy) -> None:
    """How many visits may be under way at once, and what meets so many that this matters."""
    from collections import Counter

    from scanner.inert import printable
    from scanner.turns import lanes

    most = {"network": courtesy.network, "gateway": courtesy.gateway, "account": courtesy.account}
    said = f"{most['network']} to one network, {most['gateway']} through one jump host, {most['account']} to one"
    click.echo(f"At the same time at most {said} AWS account.")
    met = Counter(lane for one in found.assets for lane in lanes(one.asset))
    for (kind, name), count in met.most_common():
        if kind == "gateway" or count > most[kind]:
            click.echo(f"  {kind} {printable(name)}: {count} assets, at most {most[kind]} at once")
    sites = Counter(one.asset.site for one in found.assets if one.asset.site)
    for site, count in sorted(sites.items()):
        click.echo(f"  site {site}: {count} assets, visited by its workers with --engine celery")


def _marks(probe: Probe) -> list[tuple[str, bool]]:
    """What is special about a question: the rights it needs, and whatever it leaves for a moment on the asset."""
    return [
        ("as root or administrator", probe.privileged),
        ("running", probe.running),
        ("by way of a private temporary file, removed at once", probe.ask[0] == "exported"),
    ]


def _script(way: str, probes: tuple[Probe, ...]) -> str:
    if way in {"ssh", "local", "chroot"}:
        from scanner.transports.posix import Batch

        return Batch(probes, nonce="0" * 32).script.decode()
    if way == "winrm":
        from scanner.transports import powershell

        return powershell.Batch(probes, nonce="0" * 32).script
    return "\n".join(f"    {probe.key}" for probe in probes)


@click.command()
@given.inventory_option
@given.limit_option
@given.judging_options
@click.option(
    "-f",
    "--format",
    "format",
    type=click.Choice(["text", "sudoers", "collector", "iam-policy", "iam-role-policy", "jea"]),
    default="text",
    show_default=True,
    help="text: a list for people; sudoers: a file for /etc/sudoers.d; collector: the one script that may then run as "
    "root; iam-policy: an AWS policy document for who signs in; iam-role-policy: one for the role that is then "
    "assumed; jea: the groups and rights on Windows, as PowerShell.",
)
@click.option(
    "--collector",
    "script",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="For sudoers: allow this very script, by its digest and without arguments, and nothing else.",
)
@click.option("--user", default="riskline", show_default=True, help="The scan account's name, for sudoers and jea.")
def permissions(
    inventory_path: Path,
    limit: tuple[str, ...],
    judging: given.Judging,
    format: str,
    user: str,
    script: Path | None,
) -> None:
    """Print the least rights that the scan account needs for the planned controls."""
    found = given.plan_of(inventory_path, limit, judging)
    if format.startswith("iam-"):
        _show_policy(found, of_role=format == "iam-role-policy")
    elif format == "jea":
        from scanner.transports.windows_permissions import account_rights

        click.echo(account_rights(user, _probes(found, "windows")))
    elif format == "sudoers":
        click.echo(_sudoers(user, script), nl=False)
    elif format == "collector":
        from scanner.transports.collector import collector

        batches = [asset.visits[way] for asset in found.assets for way in ("ssh", "local") if way in asset.visits]
        click.echo(collector(batches), nl=False)
    else:
        _list_rights(found)


def _show_policy(found: Plan, of_role: bool) -> None:
    """Print the policy document; what its reader has to know goes to standard error, for JSON has no comments."""
    from scanner.errors import UsageError
    from scanner.transports.aws_policies import entry_policy, iam_policy, remarks

    ways = [(one, one.asset.access.aws) for one in found.assets if one.asset.access and one.asset.access.aws]
    entering = [(one, way) for one, way in ways if way.role]
    if of_role and not entering:
        raise UsageError("no asset names a `role` to assume; who signs in needs --format iam-policy")
    asking = entering if of_role else [(one, way) for one, way in ways if way.organization or not way.role]
    probes = list({probe.key: probe for one, _ in asking for probe in one.visits.get("aws", ())}.values())
    document = iam_policy(probes) if of_role else entry_policy([way for _, way in ways], probes)
    click.echo(json.dumps(document, indent=2))
    said = remarks(document)
    if entering and not of_role:
        said.append("the roles that are assumed need a policy of their own: --format iam-role-policy")
    for remark in said:
        click.echo(remark, err=True)


def _probes(found: Plan, via: str) -> list[Probe]:
    probes = {p.key: p for asset in found.assets for batch in asset.visits.values() for p in batch if p.via == via}
    return list(probes.values())


def _sudoers(user: str, script: Path | None) -> str:
    from scanner.errors import UsageError
    from scanner.transports.collector import KEY_ADVICE, pinned_rule

    if not user.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"--user {user}: letters, digits, dash and underscore only")
    if script is not None:
        return pinned_rule(user, script.read_bytes())
    return (
        "# /etc/sudoers.d/riskline, mode 0440; check with: visudo -cf FILE\n"
        f"{KEY_ADVICE}"
        "# One shell, once per visit, fed with the script that `riskline plan --show-script` prints. It is a full\n"
        "# grant: protect the scan account's key as you would root's.\n"
        f"{user} ALL=(root) NOPASSWD: /bin/sh -s\n"
        f"Defaults:{user} env_reset, !setenv, !requiretty\n"
    )


def _list_rights(found: Plan) -> None:
    posix = _probes(found, "posix")
    if posix:
        root = [probe for probe in posix if probe.privileged]
        click.echo(f"Linux: a login shell; root by `sudo -n` for {len(root)} of {len(posix)} questions:")
        for probe in root:
            click.echo(f"  {probe.key}")
    windows = _probes(found, "windows")
    if windows:
        few = sum(probe.privileged for probe in windows)
        click.echo(f"Windows: a remote shell, and local administrator rights for {few} of {len(windows)} questions.")
    aws = _probes(found, "aws")
    if aws:
        from scanner.transports.aws_permissions import permissions as actions

        click.echo("AWS: these actions, all of them reading:")
        for action in actions(aws):
            click.echo(f"  {action}")
    if _probes(found, "nmap"):
        click.echo("Network: none; as root nmap uses half-open connections, otherwise whole ones.")
