"""Reading a configuration: TOML into a struct whose fields are the settings, and each mistake with its line.

A struct of settings has a default for each of them. All mistakes are found at once, so that nobody mends one to be
told the next.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

# A setting, and why its value cannot work.
Complaint = tuple[str, str]


class Origin(NamedTuple):
    """Where a value stands: a file and the line in it, the name of an environment variable or of an option."""

    source: str
    line: int | None = None


class ConfigProblem(msgspec.Struct, frozen=True, kw_only=True):
    """A mistake in the configuration. ``source`` is a file, an environment variable or an option; ``line`` is counted
    from 1, and null where there is none. ``key`` is the setting, "" where it is about the file as a whole."""

    source: str
    line: int | None
    key: str
    reason: str

    @property
    def sentence(self) -> str:
        """The same for people, beginning as compilers do, so that editors find the line."""
        at = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{at}: {self.key}: {self.reason}" if self.key else f"{at}: {self.reason}"


class ConfigReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a configuration can work. ``file`` is null where none was read. ``settings`` are all that count, with
    the defaults; null when it cannot work."""

    valid: bool
    file: str | None
    problems: list[ConfigProblem]
    settings: dict[str, Any] | None


class Unusable(Exception):
    """The configuration cannot work. ``problems`` are all reasons, at least one."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        super().__init__("; ".join(problem.sentence for problem in problems))
        self.problems = problems


def read(path: str) -> tuple[dict[str, Any], dict[str, Origin]]:
    """The values of a TOML file, and where each stands. Raises :class:`Unusable`."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode()
    except OSError as error:
        raise _whole(path, os.strerror(error.errno or 0)) from error
    except UnicodeDecodeError as error:
        raise _whole(path, "this is not text in UTF-8") from error
    return parse(path, text)


def parse(path: str, text: str) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Likewise, of the text that the file has, or is to have."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, line = _place_of(str(error))
        raise _whole(path, reason, line if line is not None else text.count("\n") + 1) from error
    lines = text.splitlines()
    return values, {key: Origin(path, _line_of(key, lines)) for key in values}


def convert(
    kind: type[T],
    values: Mapping[str, Any],
    origins: Mapping[str, Origin],
    check: Callable[[T], Iterable[Complaint]],
    *,
    strict: bool = True,
) -> T:
    """The settings. ``check`` tells what no type can. Not ``strict`` where all values are text, as in the
    environment. Raises :class:`Unusable`."""
    nowhere = Origin("the configuration")
    good: dict[str, Any] = {}
    wrong: list[Complaint] = []
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in values.items():
        if key not in fields:
            wrong.append((key, _unknown(key, list(fields))))
            continue
        try:
            good[key] = msgspec.convert(value, fields[key], strict=strict)
        except msgspec.ValidationError as error:
            wrong.append((key, _worded(str(error), fields[key])))
    settings = kind(**good)
    bad = {key for key, _ in wrong}
    wrong += [complaint for complaint in check(settings) if complaint[0] not in bad]
    if wrong:
        raise Unusable([_problem(origins.get(key, nowhere), key, reason) for key, reason in wrong])
    return settings


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"this key is not known; {hint}"


def _problem(origin: Origin, key: str, reason: str) -> ConfigProblem:
    return ConfigProblem(source=origin.source, line=origin.line, key=key, reason=reason)


def _whole(path: str, reason: str, line: int | None = None) -> Unusable:
    return Unusable([ConfigProblem(source=path, line=line, key="", reason=reason)])


def _line_of(key: str, lines: list[str]) -> int | None:
    """Where a key of the top level, or a table of its name, begins. What only looks like it stands inside a text of
    several lines: there, the file up to it is no TOML."""
    name = re.escape(key)
    wanted = re.compile(rf"\s*(?:\[+\s*)?(?:{name}|\"{name}\"|'{name}')\s*[].=]")
    for number in _matching(wanted, lines):
        try:
            tomllib.loads("\n".join(lines[: number - 1]))
        except tomllib.TOMLDecodeError:
            continue
        return number
    return None


def _matching(wanted: re.Pattern[str], lines: list[str]) -> Iterator[int]:
    yield from (number for number, line in enumerate(lines, 1) if wanted.match(line))


def _place_of(told: str) -> tuple[str, int | None]:
    """What tomllib says, apart from where: "… (at line 3, column 1)", or "(at end of document)"."""
    reason, _, place = told.partition(" (at ")
    line = re.match(r"line (\d+)", place)
    return f"this is not TOML: {reason[:1].lower()}{reason[1:]}", None if line is None else int(line[1])


_WORDS = {
    "array": "a list",
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a table",
    "null": "nothing",
}


def _worded(told: str, kind: Any) -> str:
    """What msgspec says, in words: "Expected `array`, got `str`", perhaps with "- at `$[1]`"."""
    reason, _, place = told.partition(" - at ")
    choices = typing.get_args(kind)
    if reason.startswith("Invalid enum value") and choices:
        return f"{reason[len('Invalid enum value ') :]} is none of {', '.join(map(str, choices))}"
    types = re.fullmatch(r"Expected `(\w+)`, got `(\w+)`", reason)
    if types is None:
        return reason[:1].lower() + reason[1:]
    wanted, got = (_WORDS.get(name, name) for name in types.groups())
    item = re.search(r"\[(\d+)\]", place)
    head = "" if item is None else f"entry {int(item[1]) + 1}: "
    return f"{head}this must be {wanted}, and is {got}"
