"""`riskline feeds`: advisories, exploited flaws and chances of exploitation, kept on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import feeds_option

if TYPE_CHECKING:
    from scanner.threats.fetching import Feed
    from scanner.threats.store import Standing


@click.group()
def feeds() -> None:
    """Keep advisories, exploited flaws (KEV), chances of exploitation (EPSS) and ends of releases on this machine.

    \b
    riskline feeds update
    riskline feeds update Debian kev epss
    riskline feeds import Debian=all.zip kev=known_exploited_vulnerabilities.json

    A feed that is cut, damaged, too small or dated wrongly is refused, and the one before it stays in force.
    """


@feeds.command()
@feeds_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--url", "urls", multiple=True, metavar="NAME=URL", help="Fetch this feed from a mirror of your own.")
@click.option("--deadline", default=600.0, show_default=True, metavar="SECONDS", help="The most time for one feed.")
@click.option("--max-mib", default=1024, show_default=True, metavar="MIB", help="The most bytes of one feed.")
@click.pass_context
def update(
    ctx: click.Context, folder: Path, names: tuple[str, ...], urls: tuple[str, ...], deadline: float, max_mib: int
) -> None:
    """Fetch what has changed: the feeds NAMEd, or those that are stored and the two lists, or all at first.

    Exit codes: 0 all are current, 3 one was refused and its old copy is still in force.
    """
    from scanner.model import utc_now
    from scanner.threats.fetching import update as bring
    from scanner.threats.reading import FeedRefused, Limits

    refused = False
    for feed in _chosen(folder, names, urls):
        try:
            found, new = bring(folder, feed, utc_now(), Limits(max_bytes=max_mib << 20), deadline)
            _say(found, "new" if new else "unchanged")
        except FeedRefused as error:
            refused = True
            _complain(str(error))
            _say_what_counts(folder, feed.name)
    ctx.exit(3 if refused else 0)


def _say_what_counts(folder: Path, name: str) -> None:
    """After a feed was refused: how old the one is that is in force."""
    from scanner.model import utc_now
    from scanner.threats.store import usable

    old = usable(folder, name)
    age = f"its copy of {old.age_days(utc_now()):.0f} days ago" if old else "nothing"
    _complain(f"{name}: {age} is in force")


def _chosen(folder: Path, names: tuple[str, ...], urls: tuple[str, ...]) -> list[Feed]:
    from dataclasses import replace

    from scanner.errors import UsageError
    from scanner.threats.fetching import FEEDS
    from scanner.threats.store import stored

    known = {feed.name: feed for feed in FEEDS}
    for name, url in (_pair(word, "NAME=URL") for word in urls):
        if name not in known:
            raise UsageError(f"there is no feed {name!r}; there are {', '.join(known)}")
        known[name] = replace(known[name], url=url)
    here = set(stored(folder))
    picked = names or tuple(n for n in known if not here or n in here or known[n].form != "osv")
    unknown = [name for name in picked if name not in known]
    if unknown:
        raise UsageError(f"there is no feed {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in picked]


@feeds.command()
@feeds_option
@click.option("-f", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def status(ctx: click.Context, folder: Path, format: str) -> None:
    """Say of each stored feed how many records it has, until when, how old it is, and what in it is amiss.

    Exit codes: 0 all can be read, 3 one cannot.
    """
    import json
    from dataclasses import asdict

    from scanner.model import utc_now
    from scanner.threats.reading import FeedRefused
    from scanner.threats.store import bad_records, standing, stored

    found: list[Standing] = []
    damaged: list[str] = []
    for name in stored(folder):
        try:
            found += [one] if (one := standing(folder, name)) is not None else []
        except FeedRefused as error:
            damaged.append(str(error))
    if format == "json":
        rows = [{**asdict(one), "age_days": round(one.age_days(utc_now()), 2)} for one in found]
        click.echo(json.dumps(rows, indent=2, default=str))
    else:
        for one in found:
            _say(one, f"{one.age_days(utc_now()):.0f} days old")
            for bad in bad_records(folder, one.name):
                _show(f"  amiss: {bad.name}: {bad.why}")
        if not found:
            click.echo(f"No feed is stored in {folder}. Run: riskline feeds update")
    for why in damaged:
        _complain(why)
    ctx.exit(3 if damaged else 0)


@feeds.command("import")
@feeds_option
@click.argument("files", nargs=-1, required=True, metavar="NAME=FILE|FOLDER...")
def import_(folder: Path, files: tuple[str, ...]) -> None:
    """Take feeds from files that were carried here, for a machine without the internet: Debian=all.zip kev=kev.json.

    A FOLDER is searched for what the publishers' own names say, at any depth: Debian/all.zip (as OSV's bucket and the
    offline database of osv-scanner have it), known_exploited_vulnerabilities.json, epss_scores-*.csv.gz,
    products/full or endoflife.json, and Microsoft's months: 2026-Nov.json, or a zip of them named Microsoft.zip (from
    api.msrc.microsoft.com/cvrf/v3.0/cvrf/2026-Nov, as JSON). A month takes the place of its own earlier state alone.
    Nobody knows when a file was fetched, so its age counts from the newest date in it.

    Exit codes: 0 all were taken, 3 one was refused and its old copy is still in force.
    """
    from scanner.errors import UsageError
    from scanner.model import utc_now
    from scanner.threats.fetching import FEEDS
    from scanner.threats.reading import FeedRefused, Limits
    from scanner.threats.store import take

    known = {feed.name: feed for feed in FEEDS}
    found = [pair for word in files for pair in ([_file(word)] if "=" in word else _of_folder(Path(word)))]
    for name, path in found:
        if name not in known:
            raise UsageError(f"there is no feed {name!r}; there are {', '.join(known)}")
        if not path.is_file():
            raise UsageError(f"{path} is not a file")
    refused = False
    for name, path in found:
        try:
            _say(take(folder, name, known[name].form, path, utc_now(), Limits(), carried=True), "taken")
        except FeedRefused as error:
            refused = True
            _complain(f"{name}: {error}")
            _say_what_counts(folder, name)
    click.get_current_context().exit(3 if refused else 0)


def _file(word: str) -> tuple[str, Path]:
    name, written = _pair(word, "NAME=FILE")
    return name, Path(written)


def _of_folder(place: Path) -> list[tuple[str, Path]]:
    """The feeds below a folder, by the names that their publishers give them; the last of several dated ones."""
    from urllib.parse import unquote, urlsplit

    from scanner.errors import UsageError
    from scanner.threats.fetching import FEEDS
    from scanner.threats.guide import MONTH

    if not place.is_dir():
        raise UsageError(f"{place} is neither NAME=FILE nor a folder")
    ends = {feed.name: unquote(urlsplit(feed.url).path).strip("/").split("/") for feed in FEEDS}
    found: dict[str, Path] = {}
    months: list[tuple[str, Path]] = []
    for path in sorted(one for one in place.rglob("*") if one.is_file()):
        if path.name == "Microsoft.zip" or MONTH.fullmatch(path.name.removesuffix(".json")):
            months.append(("Microsoft", path))
            continue
        for feed in (one for one in FEEDS if one.form != "guide"):
            tail = ends[feed.name][-2:] if feed.form in {"osv", "ends"} else ends[feed.name][-1:]
            dated = feed.form == "epss" and path.name.startswith("epss_scores-")
            plain = feed.form == "ends" and path.name == "endoflife.json"
            if list(path.parts[-len(tail) :]) == tail or dated or plain:
                found[feed.name] = path
    if not found and not months:
        raise UsageError(f"{place} holds no feed under its publisher's name, such as Debian/all.zip")
    return [*found.items(), *months]


@feeds.command()
@feeds_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def rollback(folder: Path, names: tuple[str, ...]) -> None:
    """Put the feed before the one in force back in force."""
    from scanner.threats.store import rollback as bring_back

    for name in names:
        _say(bring_back(folder, name), "back in force")


def _pair(word: str, form: str) -> tuple[str, str]:
    from scanner.errors import UsageError

    name, found, value = word.partition("=")
    if not found or not name or not value:
        raise UsageError(f"{word!r}: write {form}")
    return name, value


def _say(one: Standing, word: str) -> None:
    bad = f", {one.bad} amiss" if one.bad else ""
    model = f", model {one.model}" if one.model else ""
    _show(f"{one.name}: {word}; {one.records} records until {one.newest_at:%Y-%m-%d}{bad}{model}")


def _show(line: str) -> None:
    from scanner.inert import printable

    click.echo(printable(line))


def _complain(line: str) -> None:
    from scanner.inert import printable

    click.echo(f"riskline: {printable(line)}", err=True)
