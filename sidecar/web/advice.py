"""What docs/troubleshooting.md says of each reason of a volume: cause, effect and remedy.

The pages show the text of the documentation, and no other: what a person reads here, at the command line's link and in
the repository is the same. ``troubleshooting.md`` beside this module is that file.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from typing import NamedTuple

from markupsafe import Markup

from holdfast.volumes import Reason

_SECTION = re.compile(r'^### <a id="([a-z-]+)"></a>.*?$(.*?)(?=^##)', re.MULTILINE | re.DOTALL)
_PART = re.compile(r"\*\*(Cause|Effect|Remedy)\.\*\*\s+(.*?)(?=\*\*(?:Cause|Effect|Remedy)\.\*\*|\Z)", re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")


class Advice(NamedTuple):
    """What is said of a reason."""

    cause: Markup
    effect: Markup
    remedy: Markup


@functools.cache
def of_reasons() -> dict[str, Advice]:
    """The advice on every reason, by its name, in the order of the documentation."""
    text = (importlib.resources.files(__package__) / "troubleshooting.md").read_text(encoding="utf-8")
    found = {}
    for name, body in _SECTION.findall(text + "\n##"):
        parts = dict(_PART.findall(body))
        if name in set(Reason) and parts.keys() == {"Cause", "Effect", "Remedy"}:
            found[name] = Advice(*(_marked_up(parts[part]) for part in ("Cause", "Effect", "Remedy")))
    return found


def _marked_up(text: str) -> Markup:
    """A paragraph of the documentation. Its links lead to files of the repository, so their words alone are kept."""
    plain = str(Markup.escape(" ".join(_LINK.sub(r"\1", text).split())))
    return Markup(_STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", plain)))  # noqa: S704 - escaped
