"""Finding out about this machine and the agent's own files. Nothing here touches storage."""

from __future__ import annotations

import os
import pwd
import re
import sqlite3
import stat
from collections.abc import Iterator

from agent import registry
from agent.doctor.evidence import AgentEvidence, HostEvidence, JournalEvidence, StateEvidence
from agent.linux import kernel
from agent.linux.mountinfo import parse
from agent.local_socket import ask_status
from agent.registry import Registry, RegistryUnusable
from agent.volume import status_of
from holdfast import paths
from holdfast.status import AgentStatus

FUSECTL = "/sys/fs/fuse/connections"
# An agent answers at once; one that does not has a fault of its own.
_STATUS_TIMEOUT_S = 2.0
_SAMPLE = 4
_PROGRAM = re.compile(rb"(^|/)holdfast-agent\0run\0|\0agent\.cli\0run\0")


def read_agent(state_dir: str, socket_path: str, token_path: str, *, can_enrol: bool) -> AgentEvidence:
    """The agent: what it says, or what it left behind."""
    status: AgentStatus | None = None
    silence = ""
    closed: list[str] = []
    try:
        status = ask_status(socket_path, _STATUS_TIMEOUT_S)
    except PermissionError:
        closed.append(socket_path)
        silence = "it is closed to you"
    except OSError as error:
        silence = error.strerror or "no answer"
    book, problem = _registry(os.path.join(state_dir, "registry.json"), closed)
    known = [binding.volume for binding in book.bindings.values()]
    lock_pid = _lock_holder(os.path.join(state_dir, "lock"))
    own = {lock_pid, None if status is None else status.pid}
    return AgentEvidence(
        status=status,
        silence=silence,
        lock_pid=lock_pid,
        others=sorted(pid for pid in _agents(status.pid if status is not None else lock_pid) if pid not in own),
        enrolled=can_enrol or _is_there(token_path, closed),
        volumes=[one.status for one in status.volumes]
        if status is not None
        else [status_of(volume) for volume in book.volumes.values() if volume.id in known],
        bindings=status.bindings if status is not None else list(book.bindings.values()),
        import_paths=[] if book.assignment is None else book.assignment.import_paths,
        registry_problem=problem,
        closed=closed,
    )


def read_host(pid: int | None, user: int | None) -> HostEvidence:
    """The kernel, as the agent with this pid sees it; without one, as we do."""
    process = "self" if pid is None else str(pid)
    try:
        text = _bytes(f"/proc/{process}/mountinfo")
    except (FileNotFoundError, PermissionError, ProcessLookupError):  # it has ended, or is not ours to look at
        process, text = "self", _bytes("/proc/self/mountinfo")
    return HostEvidence(
        kernel=os.uname().release,
        recycles_mount_ids=not kernel.mount_at(b"/").has_unique_mount_id,
        max_user_watches=_number("/proc/sys/fs/inotify/max_user_watches"),
        max_user_instances=_number("/proc/sys/fs/inotify/max_user_instances"),
        mounts=parse(text),
        propagation=propagation(text),
        secluded=_is_secluded(process),
        fusectl=_fusectl(),
        user="" if user is None else _name_of(user),
    )


def read_state(state_dir: str) -> StateEvidence:
    """The state directory, and the room it has."""
    path = os.path.realpath(state_dir)
    try:
        size, status = os.statvfs(path), os.stat(path)
        foreign, exposed = _odd_files(path, status)
    except PermissionError as error:
        return StateEvidence(path=path, problem=f"{error.strerror}: ask as root, or as the agent's user.")
    except OSError as error:
        return StateEvidence(path=path, problem=f"{error.strerror}.")
    not_writable = None
    if size.f_flag & os.ST_RDONLY:
        not_writable = "Its file system is mounted read-only."
    elif not status.st_mode & stat.S_IWUSR:
        not_writable = "Its permissions let nobody write."
    return StateEvidence(
        path=path,
        not_writable=not_writable,
        foreign=foreign[:_SAMPLE],
        exposed=exposed,
        free_bytes=size.f_bavail * size.f_frsize,
        total_bytes=size.f_blocks * size.f_frsize,
        # Some file systems have no fixed number of them, and say 0 of 0.
        free_inodes=size.f_favail if size.f_files else None,
    )


def read_journals(state_dir: str) -> list[JournalEvidence]:
    """Every journal: how many directories it knows, and which of them could not be read."""
    place = os.path.join(state_dir, "journals")
    try:
        names = sorted(name for name in os.listdir(place) if name.endswith(".sqlite3"))
    except (FileNotFoundError, PermissionError):
        return []
    return [_journal(os.path.join(place, name), name.removesuffix(".sqlite3")) for name in names]


def propagation(mountinfo: bytes) -> dict[int, str]:
    """Which mounts of a mount table take part in mounts that others make later, by their optional fields (proc(5)):
    "shared" and "slave" ones do, "private" ones do not."""
    found: dict[int, str] = {}
    for line in mountinfo.splitlines():
        fields = line.partition(b" - ")[0].split(b" ")
        tags = {field.partition(b":")[0] for field in fields[6:]}
        found[int(fields[0])] = "shared" if b"shared" in tags else "slave" if b"master" in tags else "private"
    return found


def user_of(state_dir: str) -> int | None:
    """The user that the agent runs as, which owns its state; None when there is none yet."""
    try:
        return os.stat(state_dir).st_uid
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def read_token(path: str) -> str | None:
    """The agent's token, where there is one that we may read."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() or None
    except (FileNotFoundError, PermissionError):
        return None


def _odd_files(path: str, status: os.stat_result) -> tuple[list[str], list[str]]:
    """Of the agent's own files, those that belong to somebody else, and the secrets that everybody may read."""
    foreign, exposed = [], []
    for place in (path, os.path.join(path, "journals")):
        try:
            names = sorted(os.listdir(place))
        except FileNotFoundError:
            continue
        for name in names:
            one = os.lstat(os.path.join(place, name))
            foreign += [name] if one.st_uid != status.st_uid else []
            # What is in a closed directory is closed.
            is_open = one.st_mode & stat.S_IROTH and status.st_mode & stat.S_IXOTH
            exposed += [name] if is_open and name.endswith(".token") else []
    return foreign, exposed


def _registry(path: str, closed: list[str]) -> tuple[Registry, str | None]:
    try:
        return registry.load(path), None
    except PermissionError:
        closed.append(path)
    except (RegistryUnusable, OSError) as error:
        return Registry(), str(error)
    return Registry(), None


def _is_there(path: str, closed: list[str]) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        closed.append(path)
    return True


def _journal(path: str, volume: str) -> JournalEvidence:
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_STATUS_TIMEOUT_S)
        try:
            # A count that walks one index; a journal of a million photos has some ten thousand directories.
            (directories,) = db.execute("SELECT count(*) FROM directory").fetchone()
            (closed,) = db.execute("SELECT count(*) FROM unreadable").fetchone()
            sample = db.execute("SELECT path FROM unreadable ORDER BY path LIMIT ?", (_SAMPLE,)).fetchall()
            places = db.execute("SELECT path FROM directory").fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        return JournalEvidence(volume=volume, path=path, problem=str(error))
    return JournalEvidence(
        volume=volume,
        path=path,
        directories=directories,
        unreadable=[paths.to_wire(bytes(row[0])) for row in sample],
        unreadable_count=closed,
        places=[paths.to_wire(bytes(row[0])) for row in places],
    )


def _lock_holder(path: str) -> int | None:
    """Who holds the lock of a state directory, by the kernel's own list of locks (proc(5)), so that looking takes
    it from nobody."""
    try:
        inode = os.stat(path).st_ino
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    for line in _bytes("/proc/locks").decode("ascii").splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode):
            return int(fields[4])
    return None


def _agents(beside: int | None) -> Iterator[int]:
    """The agents that see the same mounts as this process does (None: as we do). Those in containers see others."""
    try:
        ours = os.readlink(f"/proc/{beside or 'self'}/ns/mnt")
    except (FileNotFoundError, PermissionError):
        return
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            is_agent = _PROGRAM.search(_bytes(f"/proc/{name}/cmdline")) is not None
            if is_agent and os.readlink(f"/proc/{name}/ns/mnt") == ours:
                yield int(name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is none of our business


def _is_secluded(process: str) -> bool:
    """Whether this process has a mount namespace that is not the machine's: that of the first process, unless that
    is a container's own."""
    try:
        if os.readlink(f"/proc/{process}/ns/mnt") != os.readlink("/proc/1/ns/mnt"):
            return True
        return b"container=" in _bytes("/proc/1/environ")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return _is_marked_as_container()


def _is_marked_as_container() -> bool:
    """Docker and Podman leave these behind."""
    return bool({".dockerenv"} & set(os.listdir("/")) or {".containerenv"} & set(os.listdir("/run")))


def _fusectl() -> str | None:
    try:
        names = os.listdir(FUSECTL)
    except OSError as error:
        return str(error.strerror)
    if names or any(mount.fs_type == "fusectl" for mount in parse(_bytes("/proc/self/mountinfo"))):
        return None
    return "fusectl is not mounted there"


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _number(path: str) -> int:
    return int(_bytes(path))


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
