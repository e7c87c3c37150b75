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

from tests.rules import rules

TOP = Path(__file__).parent.parent
PRODUCT = [path for room in ("holdfast", "agent", "sidecar") for path in sorted((TOP / room).rglob("*.py"))]
TESTS = sorted((TOP / "tests").rglob("*.py"))
EVERYTHING = PRODUCT + TESTS

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

# On storage these hide the difference between "not there" and "could not look" (rule R1).
BANNED_CALLS = {
    "os.walk",
    "os.fwalk",
    "os.access",
    *(f"os.path.{name}" for name in ("exists", "lexists", "isfile", "isdir", "islink", "ismount", "samefile")),
    *(f"os.path.{name}" for name in ("getsize", "getmtime", "getatime", "getctime")),
    "glob.glob",
    "glob.iglob",
}
# They know neither names that are no text nor descriptors, and have an exists() of their own.
BANNED_MODULES = {"pathlib", "shutil"}
# Where the path is the kernel's own or the agent's, not the user's storage: the file, and why.
NOT_STORAGE = {
    "agent/linux/blockdev.py": "sysfs",
    "agent/linux/devices.py": "sysfs, udev and /proc",
    "agent/linux/probe.py": "/dev/disk",
}
# Where it makes no difference which errno it was: the file, and why.
ANY_ERRNO = {
    "agent/linux/blockdev.py": "an attribute of sysfs, or the name of a device, that is not there",
    "agent/testing/disk.py": "a fake, which knows no other error here than a name that is not there",
    "agent/linux/mountinfo.py": "no error on the way to a mount point leads to a mount",
}
UNFINISHED = re.compile(r"\b(T[O]DO|FIX[M]E|X{3}|HA[C]K)\b")
SAFETY_RULES = frozenset(rules())


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


def test_nothing_is_left_of_a_merge() -> None:
    found = [
        name_of(path)
        for path in [*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"), *EVERYTHING]
        if re.search(r"^(?:[<]{7} |[>]{7} )", path.read_text(encoding="utf-8"), re.M)
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


def test_r1_no_module_on_storage_knows_only_text() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in PRODUCT
        if path.is_relative_to(TOP / "agent")
        for node in ast.walk(tree_of(path))
        if BANNED_MODULES & _imported(node)
    ]
    assert found == []


def test_r1_no_handler_swallows_the_errno() -> None:
    found = [
        f"{name_of(path)}:{handler.lineno}"
        for path in PRODUCT
        if path.is_relative_to(TOP / "agent") and name_of(path) not in ANY_ERRNO
        for handler in _blind_handlers(path)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("handler", "blind"),
    [
        ("except OSError: return None", True),
        ("except: return None", True),
        ("except (ValueError, OSError) as error: return []", True),
        ("except Exception as error: log('no')", True),
        ("except OSError as error: return trouble(error, place)", False),
        ("except OSError as error:\n    if error.errno != EINVAL: raise", False),
        ("except BaseException:\n    undo()\n    raise", False),
        ("except FileNotFoundError: return None", False),
    ],
)
def test_a_handler_is_blind_unless_it_looks_at_the_error_or_raises(handler: str, blind: bool) -> None:
    tree = ast.parse(f"def f():\n  try: g()\n  {handler}".replace("\n    ", "\n      "))
    assert [_is_blind(node) for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)] == [blind]


def test_exceptions_to_the_ban_are_still_needed() -> None:
    for name in NOT_STORAGE:
        calls = {ast.unparse(n.func) for n in ast.walk(tree_of(TOP / name)) if isinstance(n, ast.Call)}
        assert calls & BANNED_CALLS, f"{name} needs no exception any more"
    for name in ANY_ERRNO:
        assert list(_blind_handlers(TOP / name)), f"{name} needs no exception any more"


def test_a_test_that_cites_a_safety_rule_cites_one_that_there_is() -> None:
    found = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in TESTS
        for function in functions_of(path)
        if (cited := re.match(r"test_r(\d+)", function.name))
        and (f"R{cited[1]}" not in SAFETY_RULES or not re.match(r"test_r\d+_[a-z]", function.name))
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


def _blind_handlers(path: Path) -> Iterator[ast.ExceptHandler]:
    """The handlers of a file that make nothing of the error they catch."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler) and _is_blind(node):
            yield node


def _is_blind(handler: ast.ExceptHandler) -> bool:
    """Whether it catches every error of the system, and neither raises nor does anything with the error."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    broad = any(
        kind is None or ast.unparse(kind) in ("OSError", "Exception", "BaseException", "IOError", "EnvironmentError")
        for kind in kinds
    )
    inside = [node for step in handler.body for node in ast.walk(step)]
    raises = any(isinstance(node, ast.Raise) for node in inside)
    looks = any(isinstance(node, ast.Name) and node.id == handler.name for node in inside)
    return broad and not raises and not looks


def _imported(node: ast.AST) -> set[str]:
    """The top-level modules that an import statement is about."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return set()
