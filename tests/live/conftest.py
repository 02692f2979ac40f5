"""What the live tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # costs every worker its time otherwise
    from playwright.sync_api import Browser

PATIENCE_MS = 120_000  # of a browser on a machine that does much else


@pytest.fixture(scope="module")
def started_browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium here")
    with sync_playwright() as play:
        # The page under test is our own; root in a container cannot have Chromium's sandbox, nor much of /dev/shm.
        started = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture
def browser(started_browser: Browser) -> Iterator[Browser]:
    """A Chromium whose pages of this test are closed after it."""
    yield started_browser
    for context in started_browser.contexts:
        context.close()
