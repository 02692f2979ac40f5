"""Policy: everything in a score that is a decision, with defaults that are no measurements."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field

from scanner.errors import UsageError


@dataclass(frozen=True, slots=True)
class Zones:
    """How exposed an asset is to the attempts: half-decade steps, 0..1."""

    internet: float = 1.0
    partner: float = 0.3
    internal: float = 0.1
    restricted: float = 0.03
    isolated: float = 0.01


@dataclass(frozen=True, slots=True)
class Vectors:
    """From where a weakness can be used, 0..1."""

    network: float = 1.0
    adjacent: float = 0.3
    local: float = 0.1
    physical: float = 0.01


@dataclass(frozen=True, slots=True)
class Exploits:
    """How little skill it takes, 0..1: from theory to used everywhere now."""

    theory: float = 0.01
    chained: float = 0.03
    skilled: float = 0.1
    tooled: float = 0.3
    none_needed: float = 1.0


@dataclass(frozen=True, slots=True)
class Effects:
    """What part of an asset's worth one weakness reaches, 0..1."""

    none: float = 0.0
    partial: float = 0.3
    total: float = 1.0


@dataclass(frozen=True, slots=True)
class Losses:
    """What losing an asset of criticality 1 … 5 costs, in points or money; increasing."""

    slight: float = 1.0
    minor: float = 3.0
    moderate: float = 10.0
    major: float = 30.0
    severe: float = 100.0


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Bearable expected loss per year, in the unit of the losses. This much is score 50."""

    asset: float = 3.0
    service: float = 10.0
    organisation: float = 30.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything in a score that is a decision. attempts: serious ones per scope and year. shared_fault: 0..1.

    Anything out of range is refused with UsageError, never bent into range.
    """

    attempts: float = 3.0
    shared_fault: float = 0.95
    unit: str = "points"
    losses: Losses = field(default_factory=Losses)
    tolerances: Tolerances = field(default_factory=Tolerances)
    zones: Zones = field(default_factory=Zones)
    vectors: Vectors = field(default_factory=Vectors)
    exploits: Exploits = field(default_factory=Exploits)
    effects: Effects = field(default_factory=Effects)

    def __post_init__(self) -> None:
        _refuse_outside("attempts", self.attempts, 0, 1e6, above=True)
        _refuse_outside("shared_fault", self.shared_fault, 0, 1)
        for name in ("zones", "vectors", "exploits", "effects"):
            for key, value in asdict(getattr(self, name)).items():
                _refuse_outside(f"{name}.{key}", value, 0, 1)
        for name in ("losses", "tolerances"):
            for key, value in asdict(getattr(self, name)).items():
                _refuse_outside(f"{name}.{key}", value, 0, 1e15, above=True)
        steps = self.loss_steps
        if any(low >= high for low, high in itertools.pairwise(steps)):
            raise UsageError(f"policy: losses must increase from slight to severe, not {', '.join(map(str, steps))}")

    @property
    def loss_steps(self) -> tuple[float, ...]:
        """The losses of criticality 1 … 5."""
        at = self.losses
        return (at.slight, at.minor, at.moderate, at.major, at.severe)

    @property
    def exploit_steps(self) -> tuple[float, ...]:
        """The factors of exploit levels 1 … 5."""
        at = self.exploits
        return (at.theory, at.chained, at.skilled, at.tooled, at.none_needed)


def _refuse_outside(name: str, value: float, low: float, high: float, above: bool = False) -> None:
    if type(value) in {int, float} and low <= value <= high and not (above and value == low):
        return
    wanted = f"above {low:g}, at most {high:g}" if above else f"from {low:g} to {high:g}"
    raise UsageError(f"policy: `{name}` must be a number {wanted}, not {value!r}")
