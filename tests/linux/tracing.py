"""What programs ask the kernel to write, and how they read, as strace sees it (rule R28)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.needs import needs

# Everything that changes a file, a name, or an attribute. Those that this machine's strace does not know are
# left out by it, because of the question marks.
_CHANGES = re.findall(
    r"\w+",
    """
    write pwrite64 writev pwritev pwritev2 sendfile splice copy_file_range truncate ftruncate fallocate
    rename renameat renameat2 unlink unlinkat rmdir mkdir mkdirat mknod mknodat link linkat symlink symlinkat
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat
    setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr io_uring_setup
    """,
)
_OPENS = ["open", "openat", "openat2", "creat"]
_OPEN_TO_WRITE = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE|O_APPEND|\bcreat\(")


def traced(log: Path, *options: str) -> tuple[str, ...]:
    """What to put before a command so that its calls, and those of all processes that it starts, are written here."""
    needs(shutil.which("strace"), "needs strace")
    calls = ",".join(f"?{name}" for name in (*_CHANGES, *_OPENS))
    # Paths are always shown in full; of data nothing is, because it may speak of paths too.
    shown = ("-y", "-qq", "-s", "0", "-o", str(log), "-e", f"trace={calls}")
    return ("strace", "-f", "--seccomp-bpf", *options, *shown)


def changes_below(place: Path, log: Path) -> list[str]:
    """The calls that would change anything below a place, whether they succeeded or not."""
    return [line for line in _lines_below(place, log) if _call(line) in _CHANGES or _OPEN_TO_WRITE.search(line)]


def readings_below(place: Path, log: Path, *, quiet: bool) -> list[str]:
    """The calls that open anything below a place to read it: ``quiet``, so that its access time stays as it is, or not
    so. To name it only (O_PATH) does not count."""
    opened = [line for line in _lines_below(place, log) if _call(line) in _OPENS and "O_PATH" not in line]
    return [line for line in opened if ("O_NOATIME" in line) == quiet]


def writes_below(place: Path, *command: str, log: Path) -> list[str]:
    """Run a command, which has to succeed; answers with its calls that would change anything below a place."""
    done = subprocess.run(
        [*traced(log), *command], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    assert done.returncode == 0, done.stderr
    return changes_below(place, log)


def _lines_below(place: Path, log: Path) -> list[str]:
    here = re.compile(re.escape(str(place)) + r"[/\">]")
    return [line for line in log.read_text(errors="replace").splitlines() if here.search(line)]


def _call(line: str) -> str:
    found = re.match(r"\d+\s+(\w+)\(", line)
    return "" if found is None else found[1]
