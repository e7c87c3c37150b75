"""Finding out about this machine: the state directory, file systems, and whether the API answers."""

from __future__ import annotations

import os
import stat

import httpx2

from holdfast import wording
from sidecar.doctor.evidence import Answer, ServiceEvidence, StateEvidence

# Who asks a doctor is waiting.
_TIMEOUT_S = 3.0
# Secrets, and what is made of photos' names.
_PRIVATE = (".token", ".sqlite3")
_NAMES_MAX = 3


def read_state(path: str) -> StateEvidence:
    """The state directory, and the room it has."""
    path = os.path.realpath(path)
    try:
        size, owner = os.statvfs(path), os.stat(path).st_uid
        names = sorted(os.listdir(path))
    except OSError as error:
        return StateEvidence(path=path, problem=f"{path}: {error.strerror}.")
    foreign, exposed = [], []
    for name in names:
        status = os.lstat(os.path.join(path, name))
        if status.st_uid != owner:
            foreign.append(wording.shown(name))
        if name.endswith(_PRIVATE) and stat.S_IMODE(status.st_mode) & stat.S_IROTH and is_open_to_all(path):
            exposed.append(wording.shown(name))
    return StateEvidence(
        path=path,
        problem=why_not_writable(path),
        foreign=foreign[:_NAMES_MAX],
        exposed=exposed[:_NAMES_MAX],
        free_bytes=size.f_bavail * size.f_frsize,
        total_bytes=size.f_blocks * size.f_frsize,
    )


def why_not_writable(path: str) -> str | None:
    """Why a file or directory cannot be written by its owner, or by whoever asks; None when it can."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} is on a file system that is mounted read-only."
    if not os.stat(path).st_mode & stat.S_IWUSR:
        return f"{path} may not be written, by its permissions."
    if not os.access(path, os.W_OK):
        return f"{path} may not be written by you. Ask as root, or as the sidecar's user."
    return None


def is_open_to_all(path: str) -> bool:
    """Whether everybody can get into a directory, as far as its own permissions go."""
    return bool(os.stat(path).st_mode & stat.S_IXOTH)


def fs_type_of(path: str, mountinfo: str = "/proc/self/mountinfo") -> str:
    """The type of the file system that a path lies on, by the mount table (proc(5))."""
    found, longest = "", -1
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            left, _, right = line.partition(" - ")
            point = left.split(" ")[4].encode("latin-1", "replace").decode("unicode_escape")
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            # Of mounts on top of each other, the later line is the upper one.
            if inside and len(point) >= longest:
                found, longest = right.split(" ")[0], len(point)
    return found


def ask_service(listen: str) -> ServiceEvidence:
    """Whether the API answers at its address, and is ready."""
    try:
        answer = _get(listen, "/readyz")
    except httpx2.HTTPError as error:
        return ServiceEvidence(listen=listen, answer=Answer.NOBODY, detail=str(error) or type(error).__name__)
    if answer.is_success and answer.headers.get("content-type", "").startswith("application/json"):
        return ServiceEvidence(listen=listen, answer=Answer.WELL)
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        return ServiceEvidence(listen=listen, answer=Answer.NOT_READY, detail=str(answer.json().get("detail", "")))
    said = f"GET /readyz is answered with {answer.status_code} {answer.reason_phrase}."
    return ServiceEvidence(listen=listen, answer=Answer.SOMEBODY_ELSE, detail=said)


def _get(listen: str, path: str) -> httpx2.Response:
    if listen.startswith("unix:"):
        transport = httpx2.HTTPTransport(uds=listen.removeprefix("unix:"))
        with httpx2.Client(transport=transport, timeout=_TIMEOUT_S) as client:
            return client.get(f"http://sidecar{path}")
    host, _, port = listen.rpartition(":")
    reachable = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}.get(host, host)  # noqa: S104
    # A proxy of the environment is none of its business.
    with httpx2.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
        return client.get(f"http://{reachable}:{port}{path}")
