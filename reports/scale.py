"""The score on its scale as inline SVG: today, what was agreed, and after the changes."""

from __future__ import annotations

import itertools

from markupsafe import Markup

from scanner import score

WIDTH, HEIGHT = 760, 70
_LEFT, _RIGHT, _TOP, _DEEP = 0, 760, 25, 18
_STEPS = (0, 10, 25, 50, 75, 100)
_LETTER = 6.6
"""About how wide a letter is, so that no word leaves the picture."""
_HEAD = Markup('<svg viewBox="0 0 {} {}" role="img" aria-labelledby="scale-t scale-d" font-size="12">')
_BAND = Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="var(--l{})" stroke="var(--page)"/>')
_TEXT = Markup('<text x="{:.1f}" y="{}" text-anchor="{}"{}>{}</text>')
_MARK = Markup('<path d="M{:.1f} {}l{} {}h{}z" fill="var({})" stroke="var(--ink)" stroke-width="1.5"/>')
_AGREED = Markup('<path d="M{:.1f} {}v{}" stroke="var(--ink)" stroke-width="2" stroke-dasharray="4 3"/>')


def svg(now: float | None, after: float | None, said: str) -> Markup:
    """The scale from 0 to 100. now, after: scores, where they are known. said: the same in words."""
    parts = [
        _HEAD.format(WIDTH, HEIGHT),
        Markup('<title id="scale-t">The risk against the agreed level</title><desc id="scale-d">{}</desc>').format(
            said
        ),
    ]
    for level, (low, high) in enumerate(itertools.pairwise(_STEPS), 1):
        parts.append(_BAND.format(_x(low), _TOP, _x(high) - _x(low), _DEEP, level))
        if high > 10:
            middle = (_x(low) + _x(high)) / 2
            parts.append(_TEXT.format(middle, _TOP + 13, "middle", "", score.word((low + high) / 2)))
    parts.append(_AGREED.format(_x(50), _TOP - 4, _DEEP + 8))
    if now is not None:
        parts.append(_MARK.format(_x(now), _TOP, -6, -8, 12, "--ink"))
        parts.append(_label(now, _TOP - 12, f"today {now:.0f}", bold=True))
    if after is not None:
        parts.append(_MARK.format(_x(after), _TOP + _DEEP, -6, 8, 12, "--page"))
        parts.append(_label(after, _TOP + _DEEP + 21, f"after these changes {after:.0f}"))
    if after is None or abs(after - 50) > 24:
        parts.append(_label(50, _TOP + _DEEP + 21, "50 agreed"))
    return Markup("").join([*parts, Markup("</svg>")])


def _x(points: float) -> float:
    return _LEFT + points / 100 * (_RIGHT - _LEFT)


def _label(points: float, y: float, text: str, bold: bool = False) -> Markup:
    half = len(text) * _LETTER / 2
    x = min(max(_x(points), _LEFT + half), _RIGHT - half)
    return _TEXT.format(x, y, "middle", Markup(' font-weight="700"') if bold else "", text)
