"""The score over the last runs as inline SVG: a line against the agreed level, with how much of it could be seen."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from scanner.model import TrendPoint

from .plain_words import share

WIDTH, HEIGHT = 320, 100
_LEFT, _RIGHT, _TOP, _BASE = 30, 294, 14, 70
_HEAD = Markup('<svg viewBox="0 0 {} {}" role="img" aria-labelledby="trend-t trend-d" font-size="12">')
_TEXT = Markup('<text x="{:.0f}" y="{:.0f}" text-anchor="{}">{}</text>')
_DOT = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="var({})" stroke="var(--ink)"/>')


def svg(points: Sequence[TrendPoint]) -> Markup:
    """The line, oldest left; nothing where there is no earlier run. A hollow dot: less than 90 % could be seen."""
    if len(points) < 2:
        return Markup("")
    step = (_RIGHT - _LEFT) / (len(points) - 1)
    places = [(_LEFT + number * step, _height(one.score)) for number, one in enumerate(points)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [
        _HEAD.format(WIDTH, HEIGHT),
        Markup('<title id="trend-t">The risk over time</title><desc id="trend-d">{}</desc>').format(words(points)),
        Markup('<path d="M{} {:.0f}H{}" stroke="var(--soft)" stroke-dasharray="4 3"/>').format(
            _LEFT, _height(50), _RIGHT
        ),
        _TEXT.format(_LEFT - 5, _height(50) + 4, "end", "50"),
        Markup('<polyline points="{}" fill="none" stroke="var(--ink)" stroke-width="2"/>').format(line),
    ]
    for (x, y), one in zip(places, points, strict=True):
        parts.append(_DOT.format(x, y, 3.5, "--ink" if one.coverage >= 0.9 else "--page"))
    for anchor, index in (("start", 0), ("end", -1)):
        (x, y), one = places[index], points[index]
        above = y - 8 if y > _TOP + 12 else y + 18
        edge = x - 4 if anchor == "start" else x + 18
        parts.append(_TEXT.format(edge, above, anchor, f"{one.score:.0f}"))
        parts.append(_TEXT.format(edge, _BASE + 18, anchor, f"{one.at:%-d %b %Y}"))
    return Markup("").join([*parts, Markup("</svg>")])


def words(points: Sequence[TrendPoint]) -> str:
    """The line in words: '3 March 2026: 40, 95 % seen; …'."""
    return "; ".join(f"{one.at:%-d %B %Y}: {one.score:.0f}, {share(one.coverage, 1)} seen" for one in points)


def _height(score: float) -> float:
    return _BASE - score / 100 * (_BASE - _TOP)
