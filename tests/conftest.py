"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.test_faults")
from . import test_faults  # noqa: E402 - its own asserts are to be explained as well

# tests say what happens, never how fast: a busy machine is no fault of the code
settings.register_profile("riskline", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("riskline")
SAID = pytest.StashKey[dict[str, set[str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="Write docs/faults.md from what becomes of the tests.")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SAID] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("fault"):
        item.user_properties.extend(("fault", id) for id in mark.args)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session):  # type: ignore[no-untyped-def]
    if session.config.getoption("--faults") and not hasattr(session.config, "workerinput"):
        said = session.config.stash[SAID]
        test_faults.write(said)
    return (yield)


class Listener:
    """Hears what became of each test, whichever process ran it."""

    def __init__(self, config: pytest.Config) -> None:
        self.said = config.stash[SAID]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            for name, id in report.user_properties:
                if name == "fault":
                    self.said.setdefault(str(id), set()).add(report.outcome)


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(Listener(session.config))
