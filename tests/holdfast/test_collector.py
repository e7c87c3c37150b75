"""The collector of cyclic garbage leaves alone what a process has loaded, and still finds what is in a cycle."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import gc, weakref
from holdfast import collector
class Node: pass
collector.begin_work()
print(gc.get_freeze_count() > 1_000, len(gc.get_objects()) < 1_000)
node = Node(); node.itself = node; seen = weakref.ref(node); del node
kept = []
while seen() is not None and len(kept) < 1_000_000:
    kept.append([])
print(seen() is None)
"""


def test_what_is_loaded_is_left_alone_and_what_is_garbage_is_found() -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True", "True"]
