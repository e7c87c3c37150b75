"""The safety rules, as docs/safety.md lists them, and what holds each of them up.

``python -m tests.rules`` writes anew the lines of that document that name modules and tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from tests.mutations.catalogue import TOP, everything
from tests.mutations.mutation import Mutation

DOCUMENT = TOP / "docs" / "safety.md"
_HEADING = re.compile(r'^### <a id="r(\d+)"></a>(R\d+) (.+)$', re.MULTILINE)
_CITING = re.compile(r"test_(r\d+)_[a-z0-9]")
# The line below a rule that is written by this module.
HELD_BY = "*Held up by* "


def rules() -> dict[str, str]:
    """Every safety rule there is: its name and its title, in their order. The one list of them."""
    found = _HEADING.findall(DOCUMENT.read_text(encoding="utf-8"))
    return {name: title for _, name, title in found}


@cache
def test_names() -> dict[str, tuple[str, ...]]:
    """The functions that pytest takes for tests: name of the file from the top -> names, methods included."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((TOP / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))
        found[str(path.relative_to(TOP))] = tuple(one.name for one in functions if one.name.startswith("test_"))
    return found


def tests_of(names: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """The files with tests that are named after each rule: rule -> files."""
    found: dict[str, set[str]] = {}
    for file, tests in names.items():
        for test in tests:
            if cited := _CITING.match(test):
                found.setdefault(cited[1].upper(), set()).add(file)
    return found


def modules_of(mutations: Iterable[Mutation]) -> dict[str, set[str]]:
    """The modules whose breaking is noticed, by the rule that they break: rule -> files."""
    found: dict[str, set[str]] = {}
    for one in mutations:
        for rule in one.rules:
            found.setdefault(rule, set()).add(one.file)
    return found


def untested(wanted: Iterable[str], names: Mapping[str, Sequence[str]], mutations: Iterable[Mutation]) -> set[str]:
    """The rules that lack a test named after them, or a mutation that shows that it would notice."""
    tested, broken = tests_of(names), modules_of(mutations)
    return {rule for rule in wanted if rule not in tested or rule not in broken}


def document(text: str, names: Mapping[str, Sequence[str]], mutations: Iterable[Mutation]) -> str:
    """The text of docs/safety.md with the lines about modules and tests as they should be."""
    tested, broken = tests_of(names), modules_of(mutations)
    parts = re.split(r"(?=^### )|(?=^## )", text, flags=re.MULTILINE)
    return "".join(_rewritten(part, tested, broken) for part in parts)


def _rewritten(part: str, tested: Mapping[str, set[str]], broken: Mapping[str, set[str]]) -> str:
    heading = _HEADING.match(part)
    if heading is None:
        return part
    rule = heading[2]
    lines = [line for line in part.rstrip().splitlines() if not line.startswith(HELD_BY)]
    while lines and not lines[-1]:
        lines.pop()
    modules, tests = _listed(broken.get(rule, set())), _listed(tested.get(rule, set()))
    return "\n".join([*lines, "", f"{HELD_BY}{modules}. *Proven in* {tests}."]) + "\n\n"


def _listed(files: Iterable[str]) -> str:
    return ", ".join(f"`{file}`" for file in sorted(files)) or "nothing yet"


def main() -> None:
    """Write the document anew."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(document(text, test_names(), everything()).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
