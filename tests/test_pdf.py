"""PDF: the same words as on the page, one sheet for the board, nothing loaded, and a remedy if it is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reports import board, board_pdf, pdf
from scanner.errors import UsageError

from .run_of import remembered, run_of


def text_of(document: bytes, folder: Path) -> str:
    """What a reader sees, page by page, parted by form feeds."""
    if shutil.which("pdftotext") is None:
        pytest.skip("poppler-utils is not installed")
    (folder / "x.pdf").write_bytes(document)
    done = subprocess.run(["pdftotext", "-layout", str(folder / "x.pdf"), "-"], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    pytest.importorskip("weasyprint")


def test_the_board_s_page_is_one_sheet_with_its_verdict(tmp_path: Path) -> None:
    run = remembered(run_of())
    made = board_pdf.render(run)
    text = text_of(made, tmp_path)
    assert text.count("\f") == 1
    assert "The risk is above the level you agreed" in " ".join(text.split())
    assert made == board_pdf.render(run)


def test_the_working_report_shows_what_a_reader_would_unfold(tmp_path: Path) -> None:
    text = " ".join(text_of(pdf.render(run_of()), tmp_path).split())
    assert "Root cannot log in over SSH" in text
    assert "equals: no" in text
    assert "systemctl reload ssh" in text


def test_no_drawing_is_left_with_a_colour_that_is_not_read() -> None:
    page = pdf._plain_colours(board.render(run_of()).decode())
    drawings = page[page.index("<svg") : page.rindex("</svg>")]
    assert "#f3b4ae" in drawings
    assert "var(" not in drawings.partition("</svg>")[0]


def test_a_page_that_would_load_something_is_printed_without_it(tmp_path: Path) -> None:
    page = b"<p>word</p><img src='http://127.0.0.1:9/x.png'><link rel=stylesheet href='file:///etc/passwd'>"
    inside = tmp_path / "secret.svg"
    inside.write_text("<svg xmlns='http://www.w3.org/2000/svg'><text>secret</text></svg>")
    page += f"<img src='{inside.as_uri()}'>".encode()
    assert text_of(pdf.printed(page), tmp_path).split() == ["word"]


def test_without_weasyprint_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UsageError, match=r"riskline\[pdf\]"):
        pdf.render(run_of())
