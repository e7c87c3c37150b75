"""Man pages, in the macros of man(7), which groff and mandoc read alike."""

from __future__ import annotations

import re
import textwrap

from holdfast import __version__
from holdfast.exits import Exit
from tools.manual.pages import Page
from tools.manual.reading import Example, Paragraph, Verb

# Of the lines of the source; escaped they grow a little, and mandoc finds more than 80 bad style.
_WIDTH = 68


def page(one: Page, itself: Verb, verbs: list[Verb]) -> str:
    """A man page."""
    lines = [
        '.\\" Made by `make manual` from the command itself. Do not edit.',
        # Without a date: it would be that of the making, and change with every run.
        f'.TH {one.name.upper()} {one.section} "" "Holdfast {__version__}" "Holdfast"',
        # Neither hyphens nor stretched gaps in paths and commands that somebody copies.
        ".nh",
        ".ad l",
        *_section("NAME", [f"{_escaped(one.name)} \\- {_escaped(one.purpose)}"]),
        *_section("SYNOPSIS", _synopsis(one, verbs)),
        *_section("DESCRIPTION", [line for part in itself.paragraphs for line in _paragraph(part)]),
        *_section("OPTIONS", _options(itself)),
        *_section("COMMANDS", [line for verb in verbs for line in _verb(verb)]),
        *_section("EXIT STATUS", [line for status in Exit for line in _item(str(int(status)), status.meaning)]),
        *_section("ENVIRONMENT", _items(_environment(one, itself, verbs))),
        *_section("CONFIGURATION", _configuration(one)),
        *_section("FILES", _items(one.files)),
        *_section("EXAMPLES", _examples(itself.examples)),
        *_section("SEE ALSO", [", ".join(_reference(name) for name in one.see_also)]),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    # A heading begins a paragraph by itself.
    body = lines[1:] if lines[:1] == [".PP"] else lines
    return [f".SH {title}", *body] if body else []


def _synopsis(one: Page, verbs: list[Verb]) -> list[str]:
    lines = []
    for verb in verbs:
        if not verb.is_group:
            lines += [f".B {_escaped(verb.name)}", _escaped(verb.usage), ".br"]
    return [*lines[:-1]] if lines else [f".B {_escaped(one.name)}"]


def _verb(verb: Verb) -> list[str]:
    lines = [f".SS {_quoted(verb.name)}"]
    if not verb.is_group:
        lines += [f".B {_escaped(verb.name)}", _escaped(verb.usage), ".PP"]
    for number, part in enumerate(verb.paragraphs):
        lines += [".PP"] if number and lines[-1] != ".PP" else []
        lines += _paragraph(part)
    lines += _options(verb)
    if verb.examples:
        lines += [".PP", "Examples:", *_examples(verb.examples)]
    return lines


def _options(verb: Verb) -> list[str]:
    """Those that every verb has are told once, by the command itself."""
    told = ("--no-color", "-h, --help") if " " in verb.name else ()
    return _items([record for record in verb.options if record[0] not in told])


def _environment(one: Page, itself: Verb, verbs: list[Verb]) -> list[tuple[str, str]]:
    every = dict(variable for verb in (itself, *verbs) for variable in verb.variables)
    return [*every.items(), *one.environment]


def _configuration(one: Page) -> list[str]:
    if not one.settings:
        return []
    lines = _filled(one.about_settings)
    for setting in one.settings:
        lines += _item(setting.name, f"{setting.text} Default: {setting.default}.")
    return lines


def _items(records: list[tuple[str, str]]) -> list[str]:
    return [line for name, text in records for line in _item(name, text)]


def _item(name: str, text: str) -> list[str]:
    return [".TP", f".B {_escaped(name)}", *_filled(text)]


def _examples(examples: list[Example]) -> list[str]:
    lines: list[str] = []
    for one in examples:
        if one.why:
            lines += [".PP", _escaped(f"{one.why[:1].upper()}{one.why[1:]}:")]
        lines += [".PP", ".RS 4", ".nf", _escaped(one.typed), ".fi", ".RE"]
    return lines


def _paragraph(part: Paragraph) -> list[str]:
    if not part.verbatim:
        return _filled(part.text)
    return [".nf", *(_escaped(line) for line in part.text.splitlines()), ".fi"]


def _filled(text: str) -> list[str]:
    """Lines of a text that is filled again when it is shown. A sentence begins a line, so that troff knows its end."""
    sentences = re.split(r"(?<=[.?!]) (?=[A-Z\"])", text)
    return [_escaped(line) for one in sentences for line in textwrap.wrap(one, _WIDTH, break_on_hyphens=False)]


def _reference(name: str) -> str:
    title, _, section = name.rstrip(")").partition("(")
    return f"{_escaped(title)}({section})"


def _quoted(text: str) -> str:
    return '"' + _escaped(text).replace('"', "\\(dq") + '"'


def _escaped(text: str) -> str:
    """A line of text, in which troff obeys nothing. Hyphens are such that can be typed."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    safe = "".join(char if ord(char) < 0x80 else f"\\[u{ord(char):04X}]" for char in safe)
    return f"\\&{safe}" if safe[:1] in (".", "'") else safe
