"""What every HTML page of ours is made with: own templates, escaped text, and a policy that forbids the rest."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from scanner.inert import printable

_ROOM = Path(__file__).parent / "templates"


def own(name: str) -> Markup:
    """A style or script of ours from the folder of templates, without its indentation."""
    text = (_ROOM / name).read_text(encoding="utf-8")
    return Markup("\n".join(map(str.lstrip, text.splitlines())))  # noqa: S704 - our own file, not anybody's text


def content_policy(style: str, script: str = "") -> str:
    """The page's policy: nothing but this style and, where there is one, this script."""
    allowed = f"script-src 'sha256-{_digest(script)}'; " if script else ""
    return f"default-src 'none'; style-src 'sha256-{_digest(style)}'; {allowed}base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inert(text: Any, limit: int | None = None) -> str:
    return printable(str(text), limit)


def _coded(text: str) -> Markup:
    """Text of our own with `commands` in it: the parts between backticks as code, all of it escaped."""
    parts = printable(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


@cache
def template(name: str) -> Any:
    """One of our templates, with the filters `inert` and `coded`."""
    environment = Environment(
        loader=FileSystemLoader(_ROOM), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["inert"] = _inert
    environment.filters["coded"] = _coded
    return environment.get_template(name)
