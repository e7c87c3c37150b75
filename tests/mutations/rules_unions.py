"""Broken on purpose: nested mounts (R13), unions (R15), and FUSE that hangs (R17)."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_UNIONS = "tests/agent/test_unions.py"
_PARTS = "tests/sidecar/test_parts.py"
_HANGS = "tests/linux/test_fuse_hangs.py"

MUTATIONS: list[Mutation] = [
    Mutation(
        ("R15",),
        "a branch counts as there as long as the union names it",
        "agent/unions.py",
        "if not named or not _is_in_place(part, volumes[part.volume], table):",
        "if not named:",
        (f"{_UNIONS}::TestLost",),
    ),
    Mutation(
        ("R15",),
        "a branch that the union names no more is not lost",
        "agent/unions.py",
        "if not named or not _is_in_place(part, volumes[part.volume], table):",
        "if not _is_in_place(part, volumes[part.volume], table):",
        (f"{_UNIONS}::TestLost",),
    ),
    Mutation(
        ("R15", "R4"),
        "the bare directory below an unmounted branch is enrolled as a branch",
        "agent/parts.py",
        "if any(not _is_deeper(where, one.last_mounted_at) for one in before):",
        "if not where:",
        (f"{_UNIONS}::TestNewParts",),
    ),
    Mutation(
        ("R13",),
        "a file system that is mounted twice is shown twice",
        "agent/parts.py",
        "one == part.volume and directory is not None and paths.contains(directory, part.directory)",
        "one == part.volume and directory is None",
        (f"{_UNIONS}::TestNewParts",),
    ),
    Mutation(
        ("R15",),
        "a union is scanned besides its branches",
        "agent/bindings.py",
        "if binding is None or binding.is_view(volume):",
        "if binding is None:",
        (f"{_UNIONS}::TestScopes",),
    ),
    Mutation(
        ("R13",),
        "what is mounted below an import path is not watched",
        "agent/bindings.py",
        "if part.volume == volume and known.has(volume, part.directory):",
        "if part.volume == volume and known.has(volume, part.directory) and part.via is not None:",
        (f"{_UNIONS}::TestScopes",),
    ),
    Mutation(
        ("R15",),
        "a union that lacks a branch lets go",
        "agent/volume.py",
        'return _become(volume, Reason.BRANCH_LOST, volume.mounted_at or "", away, now), []',
        'return _leave(volume, Reason.BRANCH_LOST, volume.mounted_at or "", away, now)',
        (f"{_UNIONS}::TestState",),
    ),
    Mutation(
        ("R15",),
        "one lost branch makes the photos of all unavailable",
        "sidecar/asset.py",
        "if via is not None and via is not Reason.BRANCH_LOST:",
        "if via is not None:",
        (f"{_PARTS}::test_r15_what_a_part_shows_is_available_only_with_its_branch_and_its_union[sqlite]",),
    ),
    Mutation(
        ("R15", "R18"),
        "the photos of a dead union are available",
        "sidecar/asset.py",
        "if via is not None and via is not Reason.BRANCH_LOST:",
        "if via is Reason.AGENT_SILENT:",
        (f"{_PARTS}::test_r15_what_a_part_shows_is_available_only_with_its_branch_and_its_union[sqlite]",),
    ),
    Mutation(
        ("R17",),
        "a hung FUSE program is only found out when patience ends",
        "agent/linux/fuse.py",
        "return self._hang is not None and now - self._hang.since >= self._limit_s",
        "return False",
        (f"{_HANGS}::test_r17_the_kernel_tells_a_hung_daemon_long_before_patience_ends",),
        slow=True,
    ),
    Mutation(
        ("R17",),
        "a share that answers slowly is taken for hung",
        "agent/linux/fuse.py",
        "if before is None or before.sleeps != wait.sleeps:",
        "if before is None:",
        (f"{_HANGS}::TestWatch",),
    ),
]
