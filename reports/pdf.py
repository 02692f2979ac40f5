"""The working report on paper: PDF by WeasyPrint, which is an extra. Sources: the same page that `html` writes."""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Any

from scanner.errors import UsageError
from scanner.model import Run

from . import html

INSTALL = "PDF needs WeasyPrint: pip install 'riskline[pdf]'"
PAPER = """
summary { display: block; list-style: none; }
details > * { display: block; } details > dl { display: grid; }
"""
"""Paper opens nothing: what a reader would unfold is shown."""


def render(run: Run) -> bytes:
    """The working report as PDF; UsageError where WeasyPrint, or a library that it needs, is not installed."""
    return printed(html.render(run), PAPER)


def printed(page: bytes, style: str = "") -> bytes:
    """A page of ours as PDF. It loads nothing; the same page gives the same bytes."""
    weasyprint = _weasyprint()
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=())
    document = weasyprint.HTML(string=_plain_colours(page.decode()), url_fetcher=fetcher)
    # The identifier would else be made of the time of writing.
    name = hashlib.sha256(page).digest()[:16]
    sheets = [weasyprint.CSS(string=style, url_fetcher=fetcher)] if style else []
    return bytes(document.write_pdf(stylesheets=sheets, pdf_identifier=name))


def _plain_colours(page: str) -> str:
    """The drawings with the colours that their variables stand for: WeasyPrint reads no variable inside an SVG."""
    root = re.search(r":root \{([^}]*)\}", page)
    known = dict(re.findall(r"(--[a-z0-9]+): ([^;]+);", root[1])) if root else {}

    def coloured(drawing: re.Match[str]) -> str:
        return re.sub(r'"var\((--[a-z0-9]+)\)"', lambda one: f'"{known.get(one[1], "#000")}"', drawing[0])

    return re.sub(r"<svg.*?</svg>", coloured, page, flags=re.DOTALL)


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ImportError as error:
        raise UsageError(INSTALL) from error
    except OSError as error:
        raise UsageError(
            "WeasyPrint is installed and lacks a library of the system; "
            "on Debian: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
        ) from error
    return weasyprint
