"""Which MySQL and MariaDB servers will do. Pure."""

from __future__ import annotations

import re

# A report of 5,000 files with long paths is a statement of some megabytes.
PACKET_BYTES_MIN = 16 * 1024 * 1024
# CHECK constraints are enforced, and JSON and index lengths are what the schema needs.
OLDEST = {"MySQL": (8, 0, 16), "MariaDB": (10, 6, 0)}


def outdated(said: str) -> str | None:
    """What is to be said of a server that is too old, by what it says is its version; None when it will do."""
    product = "MariaDB" if "mariadb" in said.lower() else "MySQL"
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:3])
    if version >= OLDEST[product]:
        return None
    return f"It is {product} {said}; {'.'.join(map(str, OLDEST[product]))} or newer is needed."
