"""Where checks, baselines and reports come from: built in, installed packages' entry points, and --checks DIR.

Built-in modules are found as `scanner.checks` in a wheel and as `checks` in a checkout, and imported only when one of
their checks is asked for. A third party's package names itself by an entry point in the group `riskline.checks`; its
checks then begin with the entry point's name. What stands there, or in a folder named by --checks, runs in a process of
its own (see confined.py). Code is never taken from the current folder unasked.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import pkgutil
import stat
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from .confined import Worker
from .errors import UsageError
from .model import Check

ENTRY_POINTS = "riskline.checks"
BASELINE_ENTRY_POINTS = "riskline.baselines"


@cache
def room(name: str) -> ModuleType:
    """The built-in package "checks" or "reports", or the folder "baselines" as a namespace, wherever it was put."""
    inside = f"{__package__}.{name}"
    return importlib.import_module(inside if importlib.util.find_spec(inside) else name)


def _folder(name: str) -> Path:
    return Path(next(iter(room(name).__path__)))


@cache
def _points(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    """The installed packages' entry points of one group; reading all packages' metadata takes 15 ms."""
    return tuple(importlib.metadata.entry_points(group=group))


class Catalogue:
    """All checks that can be asked for, loaded on demand, and the paths of all baselines.

    check_folders: from --checks, each refused when others may write to it. baseline_paths: extra files or folders.
    """

    def __init__(self, check_folders: tuple[Path, ...] = (), baseline_paths: tuple[Path, ...] = ()) -> None:
        self.check_folders = check_folders
        self.baseline_paths = baseline_paths
        self._modules: dict[str, ModuleType] = {}
        folders = [str(folder.absolute()) for folder in check_folders]  # no name of an entry point looks so
        self._workers = {folder: Worker(folder) for folder in folders}
        for folder in check_folders:
            refuse_writable(folder)

    def check(self, id: str) -> Check:
        """The check of that id. Raises UsageError with the closest ids where there is none."""
        module_id, _, function = id.rpartition(".")
        module = self._module(module_id) if module_id else None
        found = getattr(module, function, None)
        if isinstance(found, Check):
            if found.id != id:
                raise UsageError(f"the check {id!r} calls itself {found.id!r}; give it its own id")
            return found
        known = [check.id for check in self.checks()]
        close = difflib.get_close_matches(id, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see `riskline check list`"
        raise UsageError(f"there is no check {id!r}; {hint}")

    def checks(self) -> Iterator[Check]:
        """Every check of every source, by id."""
        found = {}
        for module_id in self._module_ids():
            module = self._module(module_id)
            for name, value in vars(module).items() if module else ():
                if isinstance(value, Check) and value.id == f"{module_id}.{name}":
                    found[value.id] = value
        yield from (found[id] for id in sorted(found))

    def baseline_files(self) -> dict[str, Path]:
        """Id of each known baseline -> its file. Built-in ones first; a file's name is its baseline's id."""
        folders = [_folder("baselines")]
        for point in _points(BASELINE_ENTRY_POINTS):
            folders += [Path(place) for place in _folders(_spec(point.value))]
        found: dict[str, Path] = {}
        for place in [*folders, *self.baseline_paths]:
            if not place.exists():
                raise UsageError(f"{place}: there is no such baseline file or folder")
            for file in sorted(place.glob("*.yaml")) if place.is_dir() else [place]:
                found[file.stem] = file
        return found

    def baseline_file(self, name: str) -> Path:
        """The file of a baseline given by id or by path. Raises UsageError where there is none."""
        files = self.baseline_files()
        if name in files:
            return files[name]
        if name.endswith((".yaml", ".yml")) and Path(name).is_file():
            return Path(name)
        close = difflib.get_close_matches(name, files, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(files)}"
        raise UsageError(f"there is no baseline {name!r}; {hint}")

    def _module(self, id: str) -> ModuleType | None:
        if id not in self._modules:
            found = self._import(id)
            if found is None:
                return None
            self._modules[id] = found
        return self._modules[id]

    def _import(self, id: str) -> ModuleType | None:
        places = list(self._places(id))
        if len(places) > 1:
            raise UsageError(f"the checks {id}.* stand in {' and in '.join(place for place, _ in places)}; rename one")
        return places[0][1]() if places else None

    def _places(self, id: str) -> Iterator[tuple[str, Callable[[], ModuleType | None]]]:
        """Every source that has a module of that id: its name for people, and what imports it."""
        for folder in self.check_folders:
            file = folder.absolute().joinpath(*id.split(".")).with_suffix(".py")
            if file.is_file():
                yield str(file), partial(self._confined, folder, id, file)
        head, _, rest = id.partition(".")
        for point in _points(ENTRY_POINTS):
            if point.name != head:
                continue
            if _spec(point.value) is None:
                raise UsageError(f"the installed package of entry point {point.name!r} has no module {point.value!r}")
            name = f"{point.value}.{rest}" if rest else point.value
            if place := _place_of(name):
                yield place, partial(self._installed, point.name, id, name, Path(place))
        name = f"{room('checks').__name__}.{id}"
        if place := _place_of(name):
            yield place, partial(importlib.import_module, name)

    def _confined(self, folder: Path, id: str, file: Path) -> ModuleType:
        for place in _way(folder.absolute(), file):
            refuse_writable(place)
        return self._workers[str(folder.absolute())].module(id, file)

    def _installed(self, point: str, id: str, name: str, file: Path) -> ModuleType:
        if point not in self._workers:
            self._workers[point] = Worker(point, path=tuple(sys.path))
        try:
            return self._workers[point].module(id, file, name)
        except UsageError as error:
            raise UsageError(f"the installed package of entry point {point!r}: {error}") from error

    def _module_ids(self) -> Iterator[str]:
        package = room("checks")
        yield from _below(package.__path__, "")
        for point in _points(ENTRY_POINTS):
            yield point.name
            yield from _below(_folders(_spec(point.value)), f"{point.name}.")
        for folder in self.check_folders:
            for file in sorted(folder.rglob("*.py")):
                if file.name != "__init__.py":
                    yield ".".join(file.relative_to(folder).with_suffix("").parts)


def _below(folders: Iterable[str], prefix: str) -> Iterator[str]:
    """The modules below a package's folders; none is imported."""
    for found in pkgutil.iter_modules(folders):
        if found.ispkg:
            inner = [str(Path(folder, found.name)) for folder in folders]
            yield from _below(inner, f"{prefix}{found.name}.")
        else:
            yield prefix + found.name


def _folders(spec: importlib.machinery.ModuleSpec | None) -> list[str]:
    return list((spec.submodule_search_locations if spec else None) or ())


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Where a module is. Nothing is run for it: find_spec(name) would import the packages above it."""
    head, *rest = name.split(".")
    found = importlib.util.find_spec(head)
    for part in rest:
        head = f"{head}.{part}"
        found = importlib.machinery.PathFinder.find_spec(head, _folders(found))
    return found


def _place_of(name: str) -> str:
    """Where a module of that name is found, for people; "" where there is none."""
    found = _spec(name)
    return (found.origin or name) if found else ""


def _import_named(name: str) -> ModuleType | None:
    return importlib.import_module(name) if _place_of(name) else None


def _way(folder: Path, file: Path) -> Iterator[Path]:
    """The folders between a named one and a file in it, and the file: who may write to one of them may change it."""
    yield from (place for place in reversed(file.parents) if place.is_relative_to(folder) and place != folder)
    yield file


class _Uncompiled(importlib.machinery.SourceFileLoader):
    """Reads the source itself: who could not change that may have been able to put something into __pycache__."""

    def get_code(self, _: str) -> types.CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def import_file(id: str, file: Path) -> ModuleType:
    """Import a module of a named folder; done in a process of its own, see confined.py. Raises UsageError."""
    refuse_writable(file)
    name = f"riskline_checks.{id}"
    spec = importlib.util.spec_from_file_location(name, file, loader=_Uncompiled(name, str(file)))
    if spec is None or spec.loader is None:
        raise UsageError(f"{file}: cannot be read as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{file}: cannot be imported: {type(error).__name__}: {error}") from error
    return module


def refuse_writable(path: Path) -> None:
    """Raise UsageError where somebody else could put code into a folder or file that we are told to run."""
    try:
        state = path.stat()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(f"{path}: others may write to it, so its code is not run; run: chmod go-w {path}")
    if state.st_uid not in {0, os.geteuid()}:
        raise UsageError(f"{path}: belongs to another user, so its code is not run")


def report(name: str) -> ModuleType:
    """The renderer module of that name ("html", "json", "csv", "compliance-csv" …)."""
    found = _import_named(f"{room('reports').__name__}.{name.replace('-', '_')}")
    if found is None or not hasattr(found, "render"):
        raise UsageError(f"there is no report format {name!r}")
    return found


def returns(check: Check) -> tuple[tuple[type, ...], bool]:
    """Types that the check's observed scalars may have, and whether it may give a mapping; () where it does not say."""
    return _returns(check.observe)


@cache
def _returns(observe: Callable[..., Any]) -> tuple[tuple[type, ...], bool]:
    hint = typing.get_type_hints(observe).get("return")
    scalars: list[type] = []
    mapping = False
    for kind in _members(hint):
        origin = typing.get_origin(kind) or kind
        if origin is dict or (isinstance(origin, type) and issubclass(origin, typing.Mapping)):
            mapping = True
            scalars += [typing.get_origin(k) or k for k in _members(typing.get_args(kind)[1])]
        elif isinstance(origin, type):
            scalars.append(origin)
    return tuple(dict.fromkeys(scalars)) if Any not in scalars else (), mapping


def _members(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return typing.get_args(hint)
    return (hint,)
