"""Rights of processes: which of them may read everything, and how to have just that right, and another's otherwise."""

from __future__ import annotations

import ctypes
import os
import pwd

from agent.linux import kernel

_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_PR_SET_KEEPCAPS = 8
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def reads_everything(pid: int) -> bool:
    """Whether a process may read and enter every directory, whoever owns it (capabilities(7)), as the agent's unit
    allows it. False for one that has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
            found = next((line for line in lines if line.startswith("CapEff:")), "CapEff: 0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    effective = int(found.split()[1], 16)
    return bool(effective & (1 << _CAP_DAC_OVERRIDE | 1 << _CAP_DAC_READ_SEARCH))


def become(user: int, *, keeps_reading: bool) -> None:
    """Give up all rights but those of this user, where we have others; with ``keeps_reading`` also the one to read
    everything."""
    if user == os.geteuid() or os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwuid(user)
        group, groups = entry.pw_gid, os.getgrouplist(entry.pw_name, entry.pw_gid)
    except KeyError:
        group, groups = user, []
    if keeps_reading:
        kernel.call(_libc.prctl, _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups(groups)
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if keeps_reading:
        only = _Sets(1 << _CAP_DAC_READ_SEARCH, 1 << _CAP_DAC_READ_SEARCH, 0)
        # The second set is of capabilities above the 32nd.
        sets = (_Sets * 2)(only, _Sets(0, 0, 0))
        kernel.call(_libc.capset, ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), sets)
