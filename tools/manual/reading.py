"""Taking a command apart: what it is for, its verbs, options and examples, as plain values."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from holdfast.console import JsonOption

_VERBATIM = "\b"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, of one line; or with ``verbatim`` of lines that are not filled."""

    text: str
    verbatim: bool = False


@dataclass(frozen=True)
class Example:
    """What one types, and what it is for."""

    typed: str
    why: str


@dataclass(frozen=True)
class Verb:
    """A verb, or the command itself. ``name`` is all that is typed before options, ``shape`` what ``--json`` prints."""

    name: str
    usage: str
    summary: str
    paragraphs: list[Paragraph]
    options: list[tuple[str, str]]
    examples: list[Example]
    variables: list[tuple[str, str]]
    shape: Any
    is_group: bool


def read(program: click.Group) -> tuple[Verb, list[Verb]]:
    """The command itself, and all its verbs, those of groups behind their group."""
    context = click.Context(program, info_name=program.name, **program.context_settings)
    return _verb(program, context), list(_verbs(program, context))


def _verbs(group: click.Group, context: click.Context) -> Iterator[Verb]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inside = click.Context(command, info_name=name, parent=context)
        yield _verb(command, inside)
        if isinstance(command, click.Group):
            yield from _verbs(command, inside)


def _verb(command: click.Command, context: click.Context) -> Verb:
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    paragraphs = [_paragraph(part) for part in text.split("\n\n") if part.strip()]
    epilog = inspect.cleandoc(command.epilog or "")
    examples = list(_examples(epilog))
    if epilog and not examples:
        paragraphs += [_paragraph(part) for part in epilog.split("\n\n") if part.strip()]
    records = [one.get_help_record(context) for one in command.get_params(context)]
    return Verb(
        name=context.command_path,
        usage=" ".join(command.collect_usage_pieces(context)),
        summary=paragraphs[0].text if paragraphs else "",
        paragraphs=paragraphs,
        options=[record for record in records if record is not None and record[1]],
        examples=examples,
        variables=list(_variables(command)),
        shape=next((one.shape for one in command.params if isinstance(one, JsonOption)), None),
        is_group=isinstance(command, click.Group),
    )


def _paragraph(text: str) -> Paragraph:
    """Of click's convention: what follows a line with \\b alone keeps its lines."""
    lines = text.strip("\n").splitlines()
    if lines[0].strip() == _VERBATIM:
        return Paragraph("\n".join(lines[1:]), verbatim=True)
    return Paragraph(" ".join(line.strip() for line in lines))


def _examples(epilog: str) -> Iterator[Example]:
    """The examples of an epilog, as :func:`holdfast.console.examples` writes them."""
    lines = epilog.splitlines()
    if [line.strip() for line in lines[:2]] != [_VERBATIM, "Examples:"]:
        return
    typed, why = "", ""
    for line in [*lines[2:], "  "]:
        if line.startswith("      "):
            why = line.strip()
            continue
        if typed:
            yield Example(typed, why)
        typed, why = line.strip(), ""


def _variables(command: click.Command) -> Iterator[tuple[str, str]]:
    for one in command.params:
        if isinstance(one, click.Option) and isinstance(one.envvar, str):
            yield one.envvar, f"What {one.opts[0]} says, unless that is given."
