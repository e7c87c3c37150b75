"""The rules of the house, checked on every file: sizes, names, banned calls, types and imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
PRODUCT = [path for room in ("holdfast", "agent", "sidecar") for path in sorted((TOP / room).rglob("*.py"))]
TESTS = sorted((TOP / "tests").rglob("*.py"))
EVERYTHING = PRODUCT + TESTS

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

# On storage these hide the difference between "not there" and "could not look" (rule R1).
BANNED_CALLS = {
    "os.walk",
    "os.path.exists",
    "os.path.lexists",
    "os.path.isfile",
    "os.path.isdir",
    "os.path.islink",
    "glob.glob",
    "glob.iglob",
}
# Where the path is the kernel's own or the agent's, not the user's storage: the file, and why.
NOT_STORAGE = {
    "agent/linux/blockdev.py": "sysfs",
    "agent/linux/devices.py": "sysfs, udev and /proc",
    "agent/linux/probe.py": "/dev/disk",
}
UNFINISHED = re.compile(r"\b(T[O]DO|FIX[M]E|X{3}|HA[C]K)\b")
SAFETY_RULES = range(1, 43)


def name_of(path: Path) -> str:
    return str(path.relative_to(TOP))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_is_too_long() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PRODUCT}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES_MAX} == {}


def test_no_function_is_too_long() -> None:
    found = {
        f"{name_of(path)}:{function.lineno} {function.name}": lines
        for path in PRODUCT
        for function in functions_of(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert found == {}


def test_every_file_says_what_it_is_for() -> None:
    # An empty file is a package without anything to say.
    silent = [name_of(path) for path in EVERYTHING if path.stat().st_size and not ast.get_docstring(tree_of(path))]
    assert silent == []


def test_nothing_is_left_unfinished() -> None:
    found = [
        f"{name_of(path)}:{number} {line.strip()}"
        for path in EVERYTHING
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert found == []


def test_r1_no_call_on_storage_hides_an_error() -> None:
    found = [
        f"{name_of(path)}:{node.lineno} {called}"
        for path in PRODUCT
        if path.is_relative_to(TOP / "agent") and name_of(path) not in NOT_STORAGE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and (called := ast.unparse(node.func)) in BANNED_CALLS
    ]
    assert found == []


def test_r1_no_handler_swallows_the_errno() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in PRODUCT
        if path.is_relative_to(TOP / "agent")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and _swallows(node)
    ]
    assert found == []


def test_exceptions_to_the_ban_are_still_needed() -> None:
    for name in NOT_STORAGE:
        calls = {ast.unparse(n.func) for n in ast.walk(tree_of(TOP / name)) if isinstance(n, ast.Call)}
        assert calls & BANNED_CALLS, f"{name} needs no exception any more"


def test_a_test_that_cites_a_safety_rule_cites_one_that_there_is() -> None:
    found = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in TESTS
        for function in functions_of(path)
        if (cited := re.match(r"test_r(\d+)", function.name))
        and (int(cited[1]) not in SAFETY_RULES or not re.match(r"test_r\d+_[a-z]", function.name))
    ]
    assert found == []


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-m", "mypy"], id="types"),
        pytest.param(["-m", "ruff", "check", "--no-cache", "."], id="lint"),
        pytest.param(["-m", "ruff", "format", "--no-cache", "--check", "."], id="format"),
        pytest.param(["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"], id="imports"),
    ],
)
@pytest.mark.xdist_group("tidy")
def test_the_tools_have_nothing_to_say(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything, or every error of the system, and then does nothing about it."""
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    broad = any(ast.unparse(kind) in ("OSError", "Exception", "BaseException", "IOError") for kind in kinds)
    return broad and all(isinstance(step, ast.Pass | ast.Continue) for step in handler.body)
