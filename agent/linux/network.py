"""What a server calls the file system that is mounted from it. The kernel keeps that in ``/proc``, for everybody.

The name of a share says little: an export stays when the disk behind it is another one. The fsid of NFS and the
volume serial of SMB come from the file system on the server.
"""

from __future__ import annotations

import re

from agent.ports import Mount
from agent.recognition import normal_source

NFS_VOLUMES = "/proc/fs/nfsfs/volumes"
CIFS_DEBUG = "/proc/fs/cifs/DebugData"

# 1) \\filer\Photos Mounts: 1 DevInfo: 0x20 Attributes: 0xc706ff
_CIFS_SHARE = re.compile(r"^\s*\d+\) (\\\\.+?) Mounts: ")
_CIFS_SERIAL = re.compile(r"\bSerial Number: 0x([0-9a-fA-F]+)")


def server_id(mount: Mount, nfs_volumes: str = NFS_VOLUMES, cifs_debug: str = CIFS_DEBUG) -> str | None:
    """What the server calls this file system, or None when it does not say. Zero is no name."""
    if mount.fs_type in ("nfs", "nfs4"):
        return nfs_fsid(_read(nfs_volumes), mount.device)
    if mount.fs_type in ("cifs", "smb3"):
        return cifs_serial(_read(cifs_debug), mount.source)
    return None


def nfs_fsid(text: str, device: str) -> str | None:
    """The FSID of the mount with this anonymous device, from the table whose columns are NV SERVER PORT DEV FSID."""
    for line in text.splitlines():
        columns = line.split()
        if len(columns) >= 5 and columns[3] == device and columns[4].strip("0:"):
            return columns[4]
    return None


def cifs_serial(text: str, source: str) -> str | None:
    """The volume serial of the share that this source lies on."""
    wanted = _share(source)
    is_wanted = False
    for line in text.splitlines():
        if share := _CIFS_SHARE.match(line):
            is_wanted = _share(share[1]) == wanted
        elif is_wanted and (serial := _CIFS_SERIAL.search(line)):
            return serial[1].lower() if serial[1].strip("0") else None
    return None


def _share(source: str) -> str:
    """Server and share, without the folder inside it."""
    server, share, *_ = *normal_source("cifs", source).removeprefix("//").split("/"), ""
    return f"{server}/{share.lower()}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, PermissionError):
        return ""  # the kernel has no such file system, or tells only root
