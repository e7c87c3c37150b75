"""One run of pytest in a process of its own, and what it comes to.

A mutation is *noticed* when a test fails because the product did the wrong thing. A test file that cannot be
imported, a fixture that falls over, or product code that stumbles over a name that does not exist prove only that
the patch was clumsy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, NamedTuple

import hypothesis
import pytest

# Raised by code that is broken as such, not by code that does the wrong thing.
CLUMSY = ("NameError", "UnboundLocalError", "AttributeError", "TypeError", "ImportError", "SyntaxError")
# Plugins are named rather than found: whatever finds them wants to be the first who imports them, and that was done
# before the fork. None of them is needed but for the options and marks in setup.cfg.
PLUGINS = ("pytest_timeout", "xdist.plugin")

Word = Literal["noticed", "unnoticed", "skipped", "unfair"]


class Verdict(NamedTuple):
    """What a run came to. ``by`` is the test that failed first, or what was wrong with the run."""

    word: Word
    by: str
    durations: dict[str, float]


class Witness:
    """A plugin that watches the tests."""

    def __init__(self) -> None:
        self.failed: str | None = None
        self.unfair: str | None = None
        self.skipped: str | None = None
        self.durations: dict[str, float] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected."""
        if report.failed:
            self.unfair = self.unfair or f"{report.nodeid} cannot be collected"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test has ended."""
        self.durations[report.nodeid] = self.durations.get(report.nodeid, 0.0) + report.duration
        if report.skipped:
            self.skipped = report.nodeid
        if report.failed and report.when != "call":
            self.unfair = self.unfair or f"{report.nodeid}: its {report.when} fails"
        elif report.failed and (stumble := _stumble(report)):
            self.unfair = self.unfair or f"{report.nodeid}: {stumble}"
        elif report.failed:
            self.failed = self.failed or report.nodeid

    def verdict(self, code: int) -> Verdict:
        """The verdict, given how pytest ended."""
        if self.failed is not None and code == pytest.ExitCode.TESTS_FAILED:
            return Verdict("noticed", self.failed, self.durations)
        if self.unfair is not None:
            return Verdict("unfair", self.unfair, self.durations)
        if code != pytest.ExitCode.OK:
            return Verdict("unfair", f"pytest ended with {code!r}", self.durations)
        if self.skipped is not None:
            return Verdict("skipped", self.skipped, self.durations)
        return Verdict("unnoticed", "", self.durations)


def judge(tests: Sequence[str], scratch: str, *, first_only: bool) -> Verdict:
    """Run these tests here and now. ``scratch`` is an empty directory for what they make.

    Tests on a database server are left out: it takes longer to start than all else together, and the same tests run
    on SQLite.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # What is noticed today must be noticed tomorrow: the same examples every time.
    hypothesis.settings.register_profile("judge", derandomize=True, database=None)
    hypothesis.settings.load_profile("judge")
    witness = Witness()
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    options = ["-q", "-p", "no:cacheprovider", "-m", "not mariadb", "--basetemp", os.path.join(scratch, "t"), *plugins]
    code = pytest.main([*options, *(["-x"] if first_only else []), *tests], plugins=[witness])
    return witness.verdict(code)


def _stumble(report: pytest.TestReport) -> str | None:
    """The error, when product code fell over itself."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None or f"{os.sep}tests{os.sep}" in crash.path or not crash.message.startswith(CLUMSY):
        return None
    return str(crash.message.splitlines()[0])
