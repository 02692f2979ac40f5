"""News that reached nobody: kept beside the register by run and address, and told before the next ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .disk import beside, private_folder, write_whole
from .errors import RisklineError

MOST = 20
"""So many runs are kept for an address that nobody mends; then the oldest are let go of."""


@dataclass(frozen=True, slots=True)
class Untold:
    """runs: of each address, by its reference, those of which it was not told, the oldest first."""

    path: Path
    runs: dict[str, list[str]]

    @classmethod
    def of(cls, register: str) -> Self:
        """What is kept for a register. Raises RisklineError where it cannot be read."""
        path = beside(register, "untold")
        try:
            found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            return cls(path, {str(target): [str(run) for run in runs] for target, runs in found.items()})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise RisklineError(f"{path}, news not yet told, cannot be read; look into it, then remove it") from error

    def keep(self, target: str, runs: list[str]) -> None:
        """From now on the address has not been told of exactly these runs. Raises RisklineError."""
        if runs[-MOST:] == self.runs.get(target, []):
            return
        self.runs[target] = runs[-MOST:]
        left = {name: those for name, those in sorted(self.runs.items()) if those}
        try:
            private_folder(self.path.parent)
            write_whole(self.path, json.dumps(left, indent=1).encode())
        except OSError as error:
            raise RisklineError(f"{self.path}: news not yet told cannot be kept: {error.strerror}") from error
