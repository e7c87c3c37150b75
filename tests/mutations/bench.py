"""Workbenches: processes that each keep a copy of the product, break it, and let tests judge it.

A bench imports what others wrote (pytest, SQLAlchemy, Flask and so on) once, and forks for every judgement. The fork
imports product and tests from the copy as they are then, so a judgement costs hardly more than its tests. Whatever
it leaves running is ended with it, and the copy goes when the bench does, however the run ends.
"""

from __future__ import annotations

import compileall
import contextlib
import ctypes
import importlib
import json
import os
import py_compile
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import NamedTuple

from tests.mutations.catalogue import TOP, broken
from tests.mutations.judging import Verdict, judge
from tests.mutations.mutation import Mutation

# What the forks need not import again. None of them is imported by name from the product's own packages.
PRELOADED = (
    "alembic.command",
    "click",
    "email.utils",
    "flask",
    "httpx2",
    "hypothesis",
    "inotify_simple",
    "msgspec",
    "pathspec",
    "pymysql",
    "sqlalchemy",
    "sqlalchemy.dialects.mysql",
    "sqlalchemy.dialects.sqlite",
    "sqlite3",
    "structlog",
    "wcmatch.glob",
)
OWN = ("holdfast", "agent", "sidecar", "tests")
NOT_COPIED = (".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__", "build")
# Longer than any named test takes on a busy machine; a mutation that makes the product hang is not noticed by it.
JUDGEMENT_MAX_S = 180.0
_PR_SET_CHILD_SUBREAPER = 36


class Task(NamedTuple):
    """Tests to run on the product, broken or (without a mutation) as it is."""

    number: int
    mutation: Mutation | None
    tests: tuple[str, ...]


class Bench:
    """One workbench, as the one who gives it tasks sees it. To be closed."""

    def __init__(self, others: list[Bench]) -> None:
        self.line, theirs = Pipe()
        self.task: Task | None = None
        self.pid = os.fork()
        if self.pid == 0:
            # A line ends when nobody holds its other end: not even a sibling may.
            for line in (self.line, *(one.line for one in others)):
                line.close()
            _serve(theirs)
        theirs.close()

    def give(self, task: Task) -> None:
        """Let it do this next."""
        self.task = task
        self.line.send(task)

    def take(self) -> tuple[Task, Verdict, str]:
        """What became of its task: the verdict, and what pytest wrote. Raises :class:`EOFError` when it died."""
        verdict, output = self.line.recv()
        task, self.task = self.task, None
        if task is None:
            raise AssertionError("bug: an answer without a question")
        return task, Verdict(*verdict), output

    def close(self) -> None:
        """End it, and whatever it is at."""
        self.line.close()
        os.waitpid(self.pid, 0)


def preload() -> None:
    """Import what all benches share. To be called once, before the first one is made."""
    for name in PRELOADED:
        importlib.import_module(name)


def _serve(line: Connection) -> None:
    """The process of a bench: never returns."""
    # The end of the line is what ends a bench; then it cleans up, which a signal would keep it from.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    home = tempfile.mkdtemp(prefix="hf-mutation-")
    try:
        tree = os.path.join(home, "tree")
        shutil.copytree(TOP, tree, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        _move_into(tree)
        while True:
            line.send(_do(line.recv(), home, line))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        _end_children()
        shutil.rmtree(home, ignore_errors=True)
        os._exit(0)


def _move_into(tree: str) -> None:
    """From here on, product and tests are those of the copy."""
    os.chdir(tree)
    os.environ["PYTHONPATH"] = tree
    sys.path[:] = [tree, *(place for place in sys.path if place and Path(place).resolve() != TOP)]
    # Compiled once. The hash of the source counts, since a broken file has the time and often the size of a whole one.
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(tree, quiet=2, invalidation_mode=mode)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def _do(task: Task, home: str, line: Connection) -> tuple[Verdict, str]:
    """Break, judge, mend."""
    with _broken_in_place(task.mutation):
        scratch = tempfile.mkdtemp(dir=home)
        pid = os.fork()
        if pid == 0:
            line.close()
            _judge_and_exit(task, scratch)
        ended = _ended_in_time(pid, line)
        _end_children()
    try:
        output = _read(os.path.join(scratch, "output"))
        told = _read(os.path.join(scratch, "verdict"))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not ended:
        return Verdict("unfair", f"no end after {JUDGEMENT_MAX_S:.0f} s", {}), output
    return (Verdict(*json.loads(told)) if told else Verdict("unfair", "the run of pytest died", {})), output


@contextlib.contextmanager
def _broken_in_place(mutation: Mutation | None) -> Iterator[None]:
    if mutation is None:
        yield
        return
    file = Path(mutation.file)
    whole = file.read_text(encoding="utf-8")
    file.write_text(broken(mutation, whole), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(whole, encoding="utf-8")


def _judge_and_exit(task: Task, scratch: str) -> None:
    """The process of one judgement: never returns."""
    try:
        os.setsid()  # Ctrl-C is for the one who asked
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
            del sys.modules[name]
        importlib.invalidate_caches()
        descriptor = os.open(os.path.join(scratch, "output"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        verdict = judge(task.tests, scratch, first_only=task.mutation is not None)
        with open(os.path.join(scratch, "verdict.new"), "w", encoding="utf-8") as file:
            json.dump(verdict, file)
        os.rename(os.path.join(scratch, "verdict.new"), os.path.join(scratch, "verdict"))
        sys.stdout.flush()
    finally:
        os._exit(0)


def _ended_in_time(pid: int, line: Connection) -> bool:
    """Wait for a judgement; it is ended when it takes too long, or when nobody wants to know any more."""
    descriptor = os.pidfd_open(pid)
    try:
        ready = wait([descriptor, line], JUDGEMENT_MAX_S)
        if descriptor in ready:
            return True
        if line in ready:
            raise EOFError
        return False
    finally:
        os.close(descriptor)


def _end_children() -> None:
    """End every process that stems from here, also those whose parents have ended already."""
    while children := _children():
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    return [int(word) for word in _read(f"/proc/self/task/{os.getpid()}/children").split()]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
