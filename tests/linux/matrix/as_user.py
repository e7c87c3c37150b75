"""Run a module as another user: ``python -m tests.linux.matrix.as_user UID MODULE ARGUMENTS…``."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    user, *command = sys.argv[1:]
    os.setgroups([])
    os.setresgid(int(user), int(user), int(user))
    os.setresuid(int(user), int(user), int(user))
    os.execv(sys.executable, [sys.executable, "-m", *command])
