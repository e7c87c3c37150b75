"""docs/commands.md: the same as the man pages, and what ``--json`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.exits import Exit
from tools.manual import shapes
from tools.manual.pages import Page, Setting
from tools.manual.reading import Verb, read

_OF_EVERY_VERB = ("--no-color", "-h, --help")


def document(pages: Sequence[Page]) -> str:
    """All commands, verb by verb."""
    parts = [(page, *read(page.program)) for page in pages]
    printed = [verb.shape for _, _, verbs in parts for verb in verbs if verb.shape is not None]
    lines = [*_introduction()]
    for page, itself, verbs in parts:
        lines += _command(page, itself, verbs)
    lines += _printed(printed)
    return "\n".join(lines) + "\n"


def _introduction() -> Iterator[str]:
    yield "<!-- Made by `make manual` from the commands themselves. Do not edit. -->"
    yield "# The command line"
    yield ""
    yield "Three commands: [`holdfast`](#holdfast) runs both parts on one machine, [`holdfast-agent`](#holdfast-agent)"
    yield "is the part beside the disks, [`holdfast-sidecar`](#holdfast-sidecar) the part beside the photo server. Each"
    yield "has a man page of its name, and completions for bash, zsh and fish."
    yield ""
    yield "Colours are used on a terminal only; not with `--no-color`, with `NO_COLOR` set to anything, or with"
    yield "`CLICOLOR=0`. Verbs that tell something have `--json`: then there is nothing but [JSON](#json) on standard"
    yield "output. What is wrong is said on standard error, in a sentence. Names of files are shown such that a"
    yield "terminal obeys nothing in them."
    yield ""
    yield "## Exit status"
    yield ""
    yield "| status | meaning |"
    yield "| --- | --- |"
    yield from (f"| {int(status)} | {status.meaning} |" for status in Exit)


def _command(page: Page, itself: Verb, verbs: list[Verb]) -> Iterator[str]:
    yield ""
    yield f'## <a id="{page.name}"></a>{page.name}'
    yield from _told(itself)
    yield from _table("option", itself.options)
    for verb in verbs:
        yield ""
        yield f"### {verb.name}"
        if not verb.is_group:
            yield ""
            yield f"    {verb.name} {verb.usage}"
        yield from _told(verb)
        yield from _table("option", [one for one in verb.options if one[0] not in _OF_EVERY_VERB])
        if verb.shape is not None:
            yield ""
            yield f"`--json` prints: {shapes.title(verb.shape)}."
    if page.settings:
        yield from _settings(page)


def _told(verb: Verb) -> Iterator[str]:
    for part in verb.paragraphs:
        yield ""
        yield from (f"    {line}" for line in part.text.splitlines()) if part.verbatim else (_shielded(part.text),)
    for example in verb.examples:
        yield ""
        if example.why:
            yield f"{example.why[:1].upper()}{example.why[1:]}:"
            yield ""
        yield f"    {example.typed}"


def _table(title: str, records: list[tuple[str, str]]) -> Iterator[str]:
    if not records:
        return
    yield ""
    yield f"| {title} | |"
    yield "| --- | --- |"
    yield from (f"| {_code(name)} | {_cell(text)} |" for name, text in records)


def _settings(page: Page) -> Iterator[str]:
    yield ""
    yield f"### Settings of {page.name}"
    yield ""
    yield page.about_settings
    yield ""
    yield "| setting | default | |"
    yield "| --- | --- | --- |"
    yield from (_setting(one) for one in page.settings)


def _setting(one: Setting) -> str:
    return f"| {_code(one.name)} | {_code(one.default)} | {_cell(one.text)} |"


def _printed(kinds: list[Any]) -> Iterator[str]:
    yield ""
    yield '## <a id="json"></a>What `--json` prints'
    yield ""
    yield "Fields keep their names and meanings; new ones may come. Times are in UTC. A path inside a volume, and any"
    yield "name that is no valid UTF-8, is written as in the REST API."
    for shape in shapes.shapes(kinds):
        yield ""
        yield f"### {shape.name}"
        yield ""
        yield f"{shape.text} It is written as a list of these, without names." if shape.is_list else shape.text
        yield from _table_of_fields(shape.fields)


def _table_of_fields(fields: list[tuple[str, str]]) -> Iterator[str]:
    yield ""
    yield "| field | type |"
    yield "| --- | --- |"
    yield from (f"| `{name}` | {kind} |" for name, kind in fields)


def _shielded(text: str) -> str:
    return text.replace("<", "\\<").replace("*", "\\*")


def _cell(text: str) -> str:
    return _shielded(text).replace("|", "\\|")


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"
