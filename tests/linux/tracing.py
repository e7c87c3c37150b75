"""What a program asks the kernel to write, as strace sees it (rule R28)."""

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


def writes_below(place: Path, *command: str, log: Path) -> list[str]:
    """Run a command, which has to succeed; answers with its system calls that would change anything below a place.

    The calls count whether they succeed or not.
    """
    needs(shutil.which("strace"), "needs strace")
    calls = ",".join(f"?{name}" for name in (*_CHANGES, *_OPENS))
    traced = ["strace", "-f", "-y", "-qq", "-s", "4096", "-o", str(log), "-e", f"trace={calls}", *command]
    done = subprocess.run(traced, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == 0, done.stderr
    here = str(place)
    return [line for line in log.read_text(errors="replace").splitlines() if here in line and _changes(line)]


def _changes(line: str) -> bool:
    call = re.match(r"\d+\s+(\w+)\(", line)
    if call is None:
        return False
    return call[1] in _CHANGES or bool(_OPEN_TO_WRITE.search(line))
