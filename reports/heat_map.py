"""The 5 × 5 map of likelihood and impact as inline SVG: numbers of risks in their cells, readable without colour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from markupsafe import Markup

from scanner.model import Risk

CELL, LEFT, TOP = 50, 66, 2
_LIKELY = ("< 1 %", "1–5 %", "5–20 %", "20–50 %", "> 50 %")
_BAD = ("slight", "minor", "medium", "major", "severe")
_BOX = Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="var(--l{})" stroke="var(--line)"/>')
SHOWN = 4
"""Circles in one cell; where there are more numbers, the last one counts the rest."""
_DOT = 11.5


def svg(risks: Sequence[Risk], numbers: Sequence[int] = ()) -> Markup:
    """The map. Risk n of the list is the number n, or what `numbers` says; its text alternative lists the same."""
    at: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, risk in zip(numbers or range(1, len(risks) + 1), risks, strict=True):
        if risk.likelihood and risk.impact and number not in at[risk.likelihood, risk.impact]:
            at[risk.likelihood, risk.impact].append(number)
    width, height = LEFT + 5 * CELL + 6, TOP + 5 * CELL + 44
    parts = [
        Markup('<svg viewBox="0 0 {} {}" role="img" aria-labelledby="map-t map-d" font-size="12">').format(
            width, height
        ),
        Markup('<title id="map-t">Risks by likelihood and impact</title><desc id="map-d">{}</desc>').format(_words(at)),
    ]
    for likelihood in range(1, 6):
        y = TOP + (5 - likelihood) * CELL
        parts.append(_text(LEFT - 6, y + CELL / 2 + 4, _LIKELY[likelihood - 1], "end"))
        for impact in range(1, 6):
            parts += _cell(LEFT + (impact - 1) * CELL, y, likelihood, impact, at[likelihood, impact])
    base = TOP + 5 * CELL
    parts += [_text(LEFT + (i + 0.5) * CELL, base + 16, word, "middle") for i, word in enumerate(_BAD)]
    parts.append(_text(LEFT + 2.5 * CELL, base + 36, "→ how bad, ↑ how likely within a year", "middle"))
    return Markup("").join([*parts, Markup("</svg>")])


def level(likelihood: int, impact: int) -> int:
    """How dark a cell is, 1 to 5; a help for the eye only, every ordering uses the expected loss."""
    return (1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 5)[likelihood + impact]


def _cell(x: float, y: float, likelihood: int, impact: int, numbers: list[int]) -> list[Markup]:
    made = [_BOX.format(x, y, CELL, CELL, level(likelihood, impact))]
    shown = [f"{number}" for number in numbers[:SHOWN]] if len(numbers) <= SHOWN else [
        *(f"{number}" for number in numbers[: SHOWN - 1]), f"+{len(numbers) - SHOWN + 1}"
    ]  # fmt: skip
    rows = [shown[at : at + 2] for at in range(0, len(shown), 2)]
    for row, line in enumerate(rows):
        middle = y + CELL / 2 + (row - (len(rows) - 1) / 2) * 2 * _DOT
        for place, word in enumerate(line):
            made += _dot(x + CELL / 2 + (place - (len(line) - 1) / 2) * 2 * _DOT, middle, word)
    return made


def _dot(x: float, y: float, word: str) -> list[Markup]:
    """A number in a circle, as it stands beside the list."""
    ring = Markup('<circle cx="{}" cy="{}" r="{}" fill="var(--page)" stroke="var(--ink)" stroke-width="1.5"/>')
    return [ring.format(x, y, _DOT - 1.5), _text(x, y + 4.5, word, "middle", bold=True)]


def _text(x: float, y: float, text: str, anchor: str, bold: bool = False) -> Markup:
    weight = Markup(' font-weight="700"') if bold else Markup("")
    return Markup('<text x="{}" y="{}" text-anchor="{}"{}>{}</text>').format(x, y, anchor, weight, text)


def _words(at: dict[tuple[int, int], list[int]]) -> str:
    said = [
        f"likelihood {likelihood}, impact {impact}: risk {', '.join(map(str, numbers))}"
        for (likelihood, impact), numbers in sorted(at.items(), reverse=True)
        if numbers
    ]
    return "; ".join(said) or "no open risk"
