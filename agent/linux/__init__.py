"""The agent's ports on the Linux kernel.

Reading order: ``kernel`` (the system calls that Python lacks), ``mountinfo``, ``attachment`` (opening things on
one particular mount and no other), ``files``, ``blockdev`` (what sysfs knows of the disk below), ``inotify``,
``fanotify`` and ``watches`` (which of the two), ``probe``. Nothing in here writes to storage.
"""
