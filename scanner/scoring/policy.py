"""Policy: everything in a score that is a decision, with defaults that are no measurements."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from scanner.errors import UsageError
from scanner.model import _Strict


class OutOfRange(UsageError):
    """A value of the policy that cannot be. where: its keys, as in "zones.internet"; a cause has dots itself."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where.split(".", 1)


@dataclass(frozen=True, slots=True)
class Zones(_Strict):
    """How exposed an asset is to the attempts: half-decade steps, 0..1."""

    internet: float = 1.0
    partner: float = 0.3
    internal: float = 0.1
    restricted: float = 0.03
    isolated: float = 0.01


@dataclass(frozen=True, slots=True)
class Vectors(_Strict):
    """From where a weakness can be used, 0..1."""

    network: float = 1.0
    adjacent: float = 0.3
    local: float = 0.1
    physical: float = 0.01


@dataclass(frozen=True, slots=True)
class Exploits(_Strict):
    """How little skill it takes, 0..1: from theory to used everywhere now."""

    theory: float = 0.01
    chained: float = 0.03
    skilled: float = 0.1
    tooled: float = 0.3
    none_needed: float = 1.0


@dataclass(frozen=True, slots=True)
class Effects(_Strict):
    """What part of an asset's worth one weakness reaches, 0..1."""

    none: float = 0.0
    partial: float = 0.3
    total: float = 1.0


@dataclass(frozen=True, slots=True)
class Losses(_Strict):
    """What losing an asset of criticality 1 … 5 costs, in points or money; increasing."""

    slight: float = 1.0
    minor: float = 3.0
    moderate: float = 10.0
    major: float = 30.0
    severe: float = 100.0


@dataclass(frozen=True, slots=True)
class Tolerances(_Strict):
    """Bearable expected loss per year, in the unit of the losses. This much is score 50."""

    asset: float = 3.0
    service: float = 10.0
    organisation: float = 30.0


@dataclass(frozen=True, slots=True)
class DueDays(_Strict):
    """Within how many days a risk has to be dealt with, by the level of what it costs alone, held against one asset."""

    far_above_tolerance: int = 7
    above_tolerance: int = 30
    within_tolerance: int = 90
    low: int = 180
    very_low: int = 365


@dataclass(frozen=True, slots=True)
class Efforts(_Strict):
    """What a fix takes where only its size is known, in working days: once, and for each further asset."""

    minutes: float = 0.1
    hours: float = 0.5
    days: float = 3.0
    weeks: float = 15.0
    further_asset: float = 0.1


@dataclass(frozen=True, slots=True)
class Policy(_Strict):
    """Everything in a score that is a decision. attempts: serious ones per scope and year. shared_fault: 0..1.

    unit: what losses are counted in: "points", or a currency such as "EUR". due_days, longest_acceptance_days: for the
    register. efforts, effort_days (by root cause, for one asset), day_rate (in the unit of the losses; 0: costs are
    counted in days only): for the budget. loss_spread: how many times the upper end of a single loss's 90 % interval is
    its lower end, for the simulation; 1 for no spread.
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
    due_days: DueDays = field(default_factory=DueDays)
    longest_acceptance_days: int = 365
    efforts: Efforts = field(default_factory=Efforts)
    effort_days: Mapping[str, float] = field(default_factory=dict)
    day_rate: float = 0.0
    loss_spread: float = 10.0

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
            written = ", ".join(map(str, steps))
            raise OutOfRange("losses", f"policy: losses must increase from slight to severe, not {written}")
        self._refuse_odd_work()

    def _refuse_odd_work(self) -> None:
        """What the register and the budget go by."""
        for name in ("due_days", "efforts"):
            for key, value in asdict(getattr(self, name)).items():
                _refuse_outside(f"{name}.{key}", value, 0, 36_500)
        for key, value in self.effort_days.items():
            _refuse_outside(f"effort_days.{key}", value, 0, 36_500)
        _refuse_outside("longest_acceptance_days", self.longest_acceptance_days, 1, 3650)
        _refuse_outside("day_rate", self.day_rate, 0, 1e9)
        _refuse_outside("loss_spread", self.loss_spread, 1, 1e6)
        if not self.unit.strip() or not self.unit.isprintable() or len(self.unit) > 20:
            raise OutOfRange("unit", f"policy: `unit` must be a short word such as points or EUR, not {self.unit!r}")

    @property
    def in_money(self) -> bool:
        """Whether losses are money, so that a cost can be held against a saving."""
        return self.unit != "points"

    def due_within(self, word: str) -> int:
        """Days until a risk of that level, in the words of the score, has to be dealt with."""
        days: int = getattr(self.due_days, word.replace(" ", "_"))
        return days

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
    raise OutOfRange(name, f"policy: `{name}` must be a number {wanted}, not {value!r}")
