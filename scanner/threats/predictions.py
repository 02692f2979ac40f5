"""Past predictions, kept beside the feeds so that they can be held against what came: one small file a day.

FOLDER/predictions/2026-11-24.json
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from scanner.disk import private_folder, write_whole
from scanner.errors import UsageError

from .forecast import Prediction
from .reading import CVE

MOST_KEPT = 400
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.json")


def keep(folder: Path, made: Prediction) -> bool:
    """Keep a prediction. The first of a day stands: what was said is not bettered later."""
    place = private_folder(folder / "predictions")
    path = place / f"{made.on}.json"
    if path.exists():
        return False
    written = {"run": made.run, "model": made.model, "chances": dict(sorted(made.chances.items()))}
    write_whole(path, json.dumps(written, indent=0).encode())
    for old in sorted(place.glob("*.json"))[:-MOST_KEPT]:
        old.unlink()
    return True


def kept(folder: Path) -> Iterator[Prediction]:
    """All predictions, oldest first. UsageError names a file that is none."""
    for path in sorted((folder / "predictions").glob("*.json")):
        named = _NAME.fullmatch(path.name)
        try:
            if named is None:
                raise ValueError("its name is no day")
            found = json.loads(path.read_text())
            chances = {flaw: float(chance) for flaw, chance in found["chances"].items() if CVE.fullmatch(flaw)}
            if not all(0 <= chance <= 1 for chance in chances.values()):
                raise ValueError("a chance is not 0 to 1")
            yield Prediction(date.fromisoformat(named[1]), str(found["run"]), str(found["model"]), chances)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path}: not a prediction ({error}); move it away") from error
