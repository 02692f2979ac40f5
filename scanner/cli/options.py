"""Options that several verbs share, and how their values become the engine's."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from scanner.errors import UsageError

if TYPE_CHECKING:
    from scanner.catalogue import Catalogue
    from scanner.model import Inventory
    from scanner.plan import Plan
    from scanner.score import Policy
    from scanner.threats.findings import Threats

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = (
    "table",
    "html",
    "json",
    "csv",
    "markdown",
    "board",
    "compliance",
    "compliance-csv",
    "sarif",
    "junit",
    "ocsf",
    "ocsf-2002",
    "defectdojo",
    "prometheus",
    "simplerisk",
    "cisoassistant",
    "pdf",
    "board-pdf",
    "xlsx",
    "oscal",
    "oscal-poam",
)
"""What a run can be written as; each is a module of reports/."""


def complete_baselines(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    from scanner.catalogue import Catalogue

    return [CompletionItem(name) for name in Catalogue().baseline_files() if name.startswith(begun)]


def complete_assets(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    from scanner.errors import UsageError
    from scanner.inventory import read_inventory

    try:
        found = read_inventory(Path(ctx.params.get("inventory_path") or default_inventory()))
    except UsageError:
        return []
    names = {asset.id for asset in found.assets} | {group for asset in found.assets for group in asset.groups}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(begun)]


def default_inventory() -> str:
    """The inventory file where none is named."""
    return os.environ.get("RISKLINE_INVENTORY", "inventory.yaml")


def default_feeds() -> str:
    """Where feeds are kept: $XDG_DATA_HOME/riskline/feeds, or below ~/.local/share."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return str(Path(home).expanduser() / "riskline" / "feeds")


def default_register() -> str:
    """Where runs are recorded when nothing else is said: a system folder for root, else the user's state folder."""
    if "RISKLINE_REGISTER" in os.environ:
        return os.environ["RISKLINE_REGISTER"]
    if os.geteuid() == 0:
        return "/var/lib/riskline/register.db"
    home = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return f"{home}/riskline/register.db"


def _stack(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        return functools.reduce(lambda inner, option: option(inner), reversed(options), function)

    return apply


def handed_over(kind: type, name: str) -> Callable[[F], F]:
    """A decorator: the options called as the fields of `kind`, a dataclass, come as one value of it, as `name`."""

    def apply(function: F) -> F:
        @functools.wraps(function)
        def called(*words: Any, **given: Any) -> Any:
            own = {field.name: given.pop(field.name) for field in fields(kind)}
            return function(*words, **{name: kind(**own)}, **given)

        return called  # type: ignore[return-value]

    return apply


@dataclass(frozen=True, slots=True)
class Sources:
    """Where checks and baselines come from besides the built-in ones."""

    check_folders: tuple[Path, ...] = ()
    baseline_paths: tuple[Path, ...] = ()

    def catalogue(self) -> Catalogue:
        """The catalogue with these in it."""
        from scanner.catalogue import Catalogue

        return Catalogue(self.check_folders, self.baseline_paths)


@dataclass(frozen=True, slots=True)
class Judging(Sources):
    """By what assets are judged. baselines: instead of those that fit by themselves. select: only such controls."""

    baselines: tuple[str, ...] = ()
    select: tuple[str, ...] = ()

    def plan(self, inventory: Inventory) -> Plan:
        """What to ask of the assets of an inventory."""
        from scanner.plan import make_plan

        return make_plan(inventory, self.catalogue(), self.baselines, self.select)


@dataclass(frozen=True, slots=True)
class Output:
    """What a run is written as, and into which files; none is standard output."""

    format: str | None
    outputs: tuple[Path, ...]


inventory_option = click.option(
    "-i",
    "--inventory",
    "inventory_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=default_inventory,
    show_default="inventory.yaml, or $RISKLINE_INVENTORY",
    help="The inventory file.",
)
limit_option = click.option(
    "--limit",
    multiple=True,
    metavar="PATTERN",
    shell_complete=complete_assets,
    help="Only these assets: an id, group, service or tag=value; wildcards allowed. Repeatable.",
)
look_options = _stack(
    click.option(
        "--from",
        "viewpoint",
        metavar="NAME",
        help="Where this machine looks from: only looks that the inventory orders `from` there, and those without.",
    ),
    click.option("--yes", is_flag=True, help="Look at more than 256 addresses from outside."),
)
_sources = _stack(
    click.option(
        "--checks",
        "check_folders",
        type=click.Path(path_type=Path, file_okay=False),
        multiple=True,
        help="A folder with more checks (its Python code is run). Refused when others may write to it.",
    ),
    click.option(
        "--baselines",
        "baseline_paths",
        type=click.Path(path_type=Path),
        multiple=True,
        help="A folder or file with more baselines.",
    ),
)
source_options = _stack(_sources, handed_over(Sources, "sources"))
judging_options = _stack(
    _sources,
    click.option(
        "-b",
        "--baseline",
        "baselines",
        multiple=True,
        metavar="NAME",
        shell_complete=complete_baselines,
        help="Judge by this baseline (id or file) instead of the ones that fit by themselves. Repeatable.",
    ),
    click.option(
        "--select",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only controls with this id, level, effort, vector, root_cause, or any reference (cis=5.1.20, "
        "cac=sshd_disable_root_login). Different keys must all hold. Repeatable.",
    ),
    handed_over(Judging, "judging"),
)
policy_option = click.option(
    "--policy",
    "policy_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RISKLINE_POLICY",
    show_envvar=True,
    help="What your organisation decided about risk (see policy.example.yaml). Default: built-in scales, in points.",
)
feeds_option = click.option(
    "--feeds",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="RISKLINE_FEEDS",
    default=default_feeds,
    metavar="FOLDER",
    help="Where advisories and lists of exploited flaws are kept.  [default: ~/.local/share/riskline/feeds]",
)
register_option = click.option(
    "--register",
    "register_url",
    default=default_register,
    show_default="$RISKLINE_REGISTER, else below /var/lib or ~/.local/state",
    help="Where runs are recorded: a file, or a database URL such as postgresql://…",
)
output_options = _stack(
    click.option(
        "-f",
        "--format",
        "format",
        type=click.Choice(FORMATS),
        help="What to print, or to write to --output. Default: a table, or what the file's name says.",
    ),
    click.option(
        "-o",
        "--output",
        "outputs",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        help="Write the report here (.html, .json, .csv, .md, .txt, .sarif, .xml, .prom, .xlsx, .pdf). Repeatable.",
    ),
    handed_over(Output, "output"),
)


def inventory_of(path: Path, limit: tuple[str, ...]) -> Inventory:
    """The inventory, narrowed by --limit."""
    from scanner import inventory

    found = inventory.read_inventory(path)
    return inventory.limit(found, limit) if limit else found


def plan_of(
    inventory_path: Path,
    limit: tuple[str, ...],
    judging: Judging,
    reach: bool = False,
    viewpoint: str | None = None,
) -> Plan:
    """The plan that the shared options ask for. reach: ask organizations which accounts they have."""
    from scanner.organizations import spread
    from scanner.viewpoints import standing_at

    found = standing_at(inventory_of(inventory_path, limit), viewpoint)
    return judging.plan(spread(found) if reach else found)


def policy_of(path: Path | None) -> Policy:
    """The risk policy of a file, or the built-in one."""
    if path is None:
        from scanner.score import Policy

        return Policy()
    from scanner.policy_file import read_policy

    return read_policy(path)


@contextlib.contextmanager
def threats_of(ctx: click.Context, folder: Path) -> Iterator[Threats | None]:
    """The stored feeds, open; None where there are none and nobody asked for them by name."""
    from scanner.threats.store import stored

    if not (folder.is_dir() and stored(folder)):
        if ctx.get_parameter_source("folder") not in {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}:
            raise UsageError(f"no feed is stored in {folder}; run: riskline feeds update --feeds {folder}")
        logging.getLogger("riskline.feeds").info("no feed is stored, so known flaws are not looked for")
        yield None
        return
    from scanner.model import utc_now
    from scanner.threats.findings import Threats

    with Threats(folder, utc_now()) as found:
        for why in found.damaged.values():
            click.echo(f"riskline: {why}; it is left out", err=True)
        yield found
