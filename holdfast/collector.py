"""Python's collector of cyclic garbage, for processes that make millions of values of which none are in cycles.

It looks at values that are new again and again, and now and then at all that there are, modules included: 6 % of the
time of a scan, and more of what taking in its reports costs (measured). What a process has loaded when it begins its
work stays until it ends, and need not be looked at; and the values of one report or directory are let go together.
"""

from __future__ import annotations

import gc

# New values, without those that are gone, after which it looks at them. By default 700, which is less than what a
# directory has; a report has some ten thousand.
_NEW_VALUES = 20_000


def begin_work() -> None:
    """Call this once, when all is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_VALUES)
