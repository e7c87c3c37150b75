"""What docs/install.md tells people to type."""

from __future__ import annotations

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "install.md"


def chapter(name: str) -> list[str]:
    """The commands of a chapter of docs/install.md, block by block."""
    body = re.split(r"^## ", GUIDE.read_text(), flags=re.MULTILINE)
    (found,) = [part for part in body if part.startswith(f"{name}\n")]
    blocks = re.findall(r"(?:^ {4}.*\n)+", found, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in blocks]
