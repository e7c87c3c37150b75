"""The rules, broken between supervisor and storage: what a worker is told, and what its silence means."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_STEWARDS = "tests/linux/test_stewards.py"
_HANGS = "tests/linux/test_fuse_hangs.py"
_GUARDED = f"{_STEWARDS}::test_r10_r15_under_a_concern_and_without_a_branch_nothing_is_called_absent"
_LETS_GO = f"{_STEWARDS}::test_r40_what_was_let_go_of_is_held_by_nothing_and_left_alone_for_a_minute"
_SILENT = f"{_STEWARDS}::test_r17_a_worker_that_falls_silent_at_work_is_given_up"
_DIES = f"{_STEWARDS}::test_r17_a_worker_that_dies_is_no_fault_of_the_storage_and_another_one_goes_on"
_UNMOUNTED = f"{_STEWARDS}::test_r3_a_worker_whose_disk_was_unmounted_under_it_says_so"
_IN_STEP = f"{_STEWARDS}::test_r33_a_worker_looks_at_nothing_before_the_journal_is_in_step_with_the_catalog"
_PROOF = f"{_STEWARDS}::test_r1_the_proof_of_a_local_disk_names_every_check_that_there_is"

STEWARDS = [
    Mutation(
        ("R15",),
        "a union that lacks a branch calls its files absent",
        "agent/stewards.py",
        "        guarded = self._concerned or self._lacking\n",
        "        guarded = self._concerned\n",
        (_GUARDED,),
    ),
    Mutation(
        ("R10", "R30"),
        "a branch that is back ends a concern about the volume",
        "agent/stewards.py",
        "        guarded = self._concerned or self._lacking\n",
        "        guarded = self._lacking\n",
        (f"{_STEWARDS}::test_r15_a_branch_that_is_back_ends_no_concern",),
    ),
    Mutation(
        ("R10", "R30"),
        "a volume that is adopted with a concern is not guarded",
        "agent/stewards.py",
        "            guarded=volume.concern is not None or lacking,\n",
        "            guarded=lacking,\n",
        (_GUARDED,),
    ),
    Mutation(
        ("R15",),
        "a union is believed before it has told its branches",
        "agent/stewards.py",
        "            guarded=volume.concern is not None or lacking,\n",
        "            guarded=volume.concern is not None,\n",
        (_GUARDED,),
    ),
    Mutation(
        ("R7",),
        "a worker is not told what the marker has to say",
        "agent/stewards.py",
        "            marker=volume.marker,\n",
        "            marker=None,\n",
        (f"{_STEWARDS}::test_r7_a_marker_that_is_gone_by_the_time_of_an_absence_is_a_doubt",),
        slow=True,
    ),
    Mutation(
        ("R17",),
        "a worker may be silent for ever",
        "agent/stewards.py",
        "        if now - worker.heard_at > self._patience_s:\n",
        "        if False:\n",
        (_SILENT,),
    ),
    Mutation(
        ("R17",),
        "a worker that hangs is waited for",
        "agent/stewards.py",
        "            self.doubted_mounts.add(self._epoch.mount_id)\n            self._give_up()\n"
        "            self._wait(now)\n            sightings.append",
        "            self.doubted_mounts.add(self._epoch.mount_id)\n"
        "            self._wait(now)\n            sightings.append",
        (_SILENT,),
    ),
    Mutation(
        ("R17",),
        "storage that hung is tried again at once",
        "agent/stewards.py",
        "            self.doubted_mounts.add(self._epoch.mount_id)\n            self._give_up()\n"
        "            self._wait(now)\n            sightings.append",
        "            self._give_up()\n            self._wait(now)\n            sightings.append",
        (_SILENT,),
    ),
    Mutation(
        ("R17",),
        "a worker that dies is held against the storage",
        "agent/stewards.py",
        "        lost = Doubtful(Reason.NOT_YET_VERIFIED, self._where,",
        "        lost = Doubtful(Reason.NO_DEVICE, self._where,",
        (_DIES,),
    ),
    Mutation(
        ("R17",),
        "a worker that dies is never replaced",
        "agent/stewards.py",
        "        self._retry_at = now + wait_s(self._failures, 1.0)\n",
        "        self._retry_at = None\n",
        (_DIES,),
    ),
    Mutation(
        ("R18",),
        "the directory that cast the doubt need not be in order again",
        "agent/stewards.py",
        "            look_first=sorted(self._doubted),\n",
        "            look_first=[],\n",
        (f"{_STEWARDS}::test_r18_a_directory_that_cast_a_doubt_must_be_in_order_before_the_volume_is_adopted_again",),
    ),
    Mutation(
        ("R40",),
        "what was let go of is taken up again at once",
        "agent/stewards.py",
        "        self._retry_at = now + RELEASED_S\n",
        "        self._retry_at = now\n",
        (_LETS_GO,),
    ),
    Mutation(
        ("R40",),
        "a person who wants to unmount gets no worker to let go",
        "agent/stewards.py",
        "        if self.worker is not None and not self.worker.send(Release()):\n",
        "        if self.worker is not None and self.worker.busy and not self.worker.send(Release()):\n",
        (_LETS_GO,),
        slow=True,
    ),
    Mutation(
        ("R12", "R40"),
        "a disk that was let go of waits also where it is mounted next",
        "agent/stewards.py",
        "        self.doubted_mounts &= self._stuck.keys()\n",
        "        pass\n",
        (f"{_STEWARDS}::test_r40_a_disk_that_has_left_is_taken_up_at_once_when_it_comes_back",),
    ),
    Mutation(
        ("R33", "R34"),
        "a worker does not hear that its journal is in step again",
        "agent/stewards.py",
        "            self.worker.send(Consult())\n",
        "            pass\n",
        (_IN_STEP,),
        slow=True,
    ),
]

WORKERS = [
    Mutation(
        ("R10", "R15", "R30"),
        "a worker does not heed that nothing may be called absent",
        "agent/worker.py",
        "                self._engine.guard(guarded=guarded)\n",
        "                self._engine.guard(guarded=False)\n",
        (_GUARDED,),
    ),
    Mutation(
        ("R10", "R15", "R30"),
        "a worker adopts without the guard that it was told to keep",
        "agent/worker.py",
        "            Attachment(order.epoch, self._files, reliable, order.mount.mount_point, order.guarded),\n",
        "            Attachment(order.epoch, self._files, reliable, order.mount.mount_point, False),\n",
        (_GUARDED,),
    ),
    Mutation(
        ("R1",),
        "a worker does not look at the disk below its mount",
        "agent/linux/storage.py",
        "            device=device,\n",
        "            device=None,\n",
        (_PROOF,),
    ),
    Mutation(
        ("R7",),
        "a worker does not ask the marker",
        "agent/linux/storage.py",
        "            marker=order.marker,\n",
        "            marker=None,\n",
        (_PROOF,),
    ),
    Mutation(
        ("R3", "R18"),
        "a worker keeps its doubt to itself",
        "agent/worker.py",
        "            self._line.send(Doubted(epoch, doubt.reason, doubt.detail, doubt.directory))\n",
        "            pass\n",
        (_UNMOUNTED,),
        slow=True,
    ),
    Mutation(
        ("R40",),
        "a worker says that it has let go, and has not",
        "agent/worker.py",
        "                self._release()\n                self._line.send(LetGo())\n",
        "                self._line.send(LetGo())\n",
        (_LETS_GO,),
    ),
    Mutation(
        ("R33", "R34"),
        "a worker goes on as if its journal stood as before",
        "agent/worker.py",
        "                self._engine.consult()\n",
        "                pass\n",
        (_IN_STEP,),
        slow=True,
    ),
    Mutation(
        ("R17",),
        "a worker that is about to look at storage does not say so",
        "agent/worker.py",
        "            self._say(busy=True)\n        self._doubt(self._engine.work())\n",
        "            pass\n        self._doubt(self._engine.work())\n",
        (f"{_HANGS}::test_r17_the_kernel_tells_a_hung_daemon_long_before_patience_ends",),
        slow=True,
    ),
]

MUTATIONS = [*STEWARDS, *WORKERS]
