"""Settings put into the text of agent.toml, which stays as it is otherwise: it is a person's file, with their comments.

Pure. What cannot be done for certain is refused: a person does it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping

Value = str | bool | list[str]


class NotEditable(Exception):
    """The text cannot be changed by a program. Names the line that a person has to write."""


def with_settings(text: str, settings: Mapping[str, Value]) -> str:
    """The text with these settings.

    A setting takes the place of the line that has it, or else of the comment that shows its default, or else it comes
    first. Raises :class:`NotEditable`, and :class:`tomllib.TOMLDecodeError` when the text was wrong before.
    """
    wanted = {**tomllib.loads(text), **settings}
    for key, value in settings.items():
        text = _with_line(text, key, f"{key} = {_spelled(value)}")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != wanted:
        lines = "; ".join(f"{key} = {_spelled(value)}" for key, value in settings.items())
        raise NotEditable(lines)
    return text


def _with_line(text: str, key: str, line: str) -> str:
    for there in (rf"^[ \t]*{key}[ \t]*=.*$", rf"^#[ \t]*{key}[ \t]*=.*$"):
        changed, count = re.subn(there, lambda _match: line, text, count=1, flags=re.MULTILINE)
        if count:
            return changed
    return f"{line}\n{text}"


def _spelled(value: Value) -> str:
    # JSON's text, yes and no, and lists of text are TOML too, but for characters that the check above finds.
    return json.dumps(value, ensure_ascii=False)
