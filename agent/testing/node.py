"""What a fake disk is made of: inodes, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from agent.ports import FileEntry


class NodeKind(Enum):
    """What a name stands for."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"


@dataclass(eq=False)
class Node:
    """An inode. ``links`` counts its names; ``denied`` is an errno for whoever wants to look into it."""

    inode: int
    kind: NodeKind
    birth_ns: int
    mtime_ns: int
    ctime_ns: int
    size: int = 0
    links: int = 1
    denied: int = 0
    children: dict[str, Node] = field(default_factory=dict)
    text: str = ""
    seed: str = ""

    @property
    def content(self) -> bytes:
        """What is in a file: what was written, or as many bytes as it has, which its seed makes others than those of
        other files."""
        if self.text:
            return self.text.encode()
        block = f"{self.seed} ".encode()
        return (block * (self.size // len(block) + 1))[: self.size]

    @property
    def is_directory(self) -> bool:
        """Whether it can have children."""
        return self.kind is NodeKind.DIRECTORY


def entry(name: str, node: Node) -> FileEntry:
    """A file as a listing shows it."""
    return FileEntry(name, node.inode, node.size, node.mtime_ns, node.ctime_ns)
