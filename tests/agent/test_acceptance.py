"""A person's word: which paths may be bound without a disk of their own, and what accepting a volume means."""

from __future__ import annotations

import pytest
from msgspec import structs

from agent import places
from agent.acceptance import MEANING, REFUSAL, accept, refusal
from agent.bindings import bind
from agent.local_socket import Request
from agent.messages import Inspected
from agent.ports import Marker, Mount, Probe
from agent.registry import Registry
from agent.requests import ToDo, obey
from agent.volume import Adopted, Verified, Volume, advance
from holdfast.assignments import BindingState
from holdfast.volumes import Identity, Reason

ROOT = Mount(1, 0, "8:1", "/", "/", "ext4", "/dev/sda1")
DISK = Mount(2, 1, "8:17", "/", "/mnt/usb", "ext4", "/dev/sdb1")
IDENTITY = Identity(fs_type="ext4", uuid="aa" * 16, root_inode=2, subvolume="s", marker="m1")
VOLUME = Volume(
    id="vol_1", label="usb", identity=IDENTITY, since=0.0, generation=9, marker_generation=3, last_mounted_at="/mnt/usb"
)


def because(reason: Reason) -> Volume:
    return structs.replace(VOLUME, reason=reason)


def test_every_refusal_to_accept_and_every_meaning_is_a_sentence() -> None:
    assert not MEANING.keys() & REFUSAL.keys()
    for reason in Reason:
        text = refusal(reason, "It is mounted.")
        assert (text is None) is (reason in MEANING)
        assert (accept(because(reason)) is not None) is (reason in MEANING)
        assert (text or MEANING[reason]).endswith(".")


def test_r11_accepting_a_rollback_forgets_how_old_the_storage_was() -> None:
    after = accept(because(Reason.ROLLED_BACK))
    assert after is not None
    assert (after.generation, after.marker_generation, after.identity.subvolume) == (None, None, None)
    assert (after.identity.marker, after.accepted) == ("m1", False)


def test_r7_accepting_a_lost_marker_goes_on_without_one() -> None:
    after = accept(because(Reason.MARKER_MISSING))
    assert after is not None
    assert (after.identity.marker, after.marker, after.generation) == (None, None, 9)


@pytest.mark.parametrize("reason", [Reason.EMPTY, Reason.PARTIAL])
def test_r2_accepting_what_is_less_than_it_was_counts_once(reason: Reason) -> None:
    after = accept(because(reason))
    assert after is not None
    assert after == structs.replace(because(reason), accepted=True)


def test_r2_the_word_ends_with_the_attachment_that_it_was_given_for() -> None:
    marker = Marker("m1", 3)
    probe = Probe(mount_id=1002, identity=IDENTITY, capacity=None, label="usb", marker=marker, generation=9)
    attached, _ = advance(structs.replace(VOLUME, accepted=True), Verified(DISK, probe), "boot", 1.0)
    assert attached.accepted, "the worker has to hear of it"
    assert attached.epoch is not None
    assert not advance(attached, Adopted(attached.epoch), "boot", 2.0)[0].accepted


def test_r8_a_formatted_disk_is_never_accepted_as_what_it_was() -> None:
    book = Registry(volumes={"vol_1": because(Reason.REFORMATTED)})
    todo = obey(book, Request("accept", "vol_1"), [ROOT, DISK])
    assert not todo.verify
    assert todo.refusal.startswith("usb: ")
    assert book.volumes["vol_1"] == because(Reason.REFORMATTED)


def test_accepting_writes_to_the_registry_and_has_the_volume_verified_anew() -> None:
    book = Registry(volumes={"vol_1": because(Reason.EMPTY)})
    assert obey(book, Request("accept", "vol_1"), [ROOT, DISK]).verify == ["vol_1"]
    assert book.volumes["vol_1"].accepted
    assert not obey(book, Request("accept", "vol_9"), [ROOT, DISK]).verify


def test_what_cannot_be_done_is_refused_in_a_sentence() -> None:
    book = Registry(volumes={"vol_1": because(Reason.EMPTY)})
    assert "no volume vol_9" in obey(book, Request("scan", "vol_9"), [ROOT]).refusal
    assert "no volume vol_9" in obey(book, Request("release", "vol_9"), [ROOT]).refusal
    assert "does not know how to dance" in obey(book, Request("dance"), [ROOT]).refusal
    assert obey(book, Request("scan"), [ROOT]) == ToDo(scan=["vol_1"])


def test_r7_a_marker_that_was_written_is_what_the_volume_is_recognised_by() -> None:
    unmarked = structs.replace(VOLUME, identity=structs.replace(IDENTITY, marker=None), table_id=2)
    book = Registry(volumes={"vol_1": unmarked, "vol_2": structs.replace(unmarked, id="vol_2", table_id=7)})
    todo = obey(book, Request("enrol", path="/mnt/usb/photos", marker=Marker("m9", 1)), [ROOT, DISK])
    assert todo.verify == ["vol_1"]
    assert book.volumes["vol_1"].marker == Marker("m9", 1)
    assert book.volumes["vol_2"].marker is None


def test_r11_a_new_marker_does_not_undo_a_rollback() -> None:
    book = Registry(volumes={"vol_1": structs.replace(because(Reason.ROLLED_BACK), table_id=2)})
    assert obey(book, Request("enrol", path="/mnt/usb", marker=Marker("m1", 2)), [ROOT, DISK]).verify == []
    assert book.volumes["vol_1"].marker_generation == 3


def bound(path: str, mount: Mount, book: Registry | None = None, plain: tuple[str, ...] = ()) -> tuple[str, str]:
    probe = Probe(mount_id=1001, identity=IDENTITY, capacity=None, label="")
    book = Registry() if book is None else book
    binding = bind(book, Inspected("imp_1", path, None), mount, probe, lambda: "vol_1", 0.0, plain)
    return binding.state, binding.message or ""


def test_r4_a_path_on_the_disk_of_the_system_needs_a_persons_word() -> None:
    state, message = bound("/mnt/usb", ROOT)
    assert state == BindingState.REFUSED
    assert "mount it" in message
    assert "holdfast-agent enrol --plain /mnt/usb" in message
    assert "plain_directories" in message


@pytest.mark.parametrize("word", ["/srv/photos", "/srv", "/srv/", "/"])
def test_r4_the_word_is_given_for_a_directory_and_all_below_it(word: str) -> None:
    assert bound("/srv/photos", ROOT, plain=(word,))[0] == BindingState.BOUND
    assert bound("/srv/photos", ROOT, Registry(plain_directories=[word]))[0] == BindingState.BOUND


@pytest.mark.parametrize("word", ["/srv/photos/2024", "/srv/pho", "/mnt"])
def test_r4_the_word_for_another_directory_is_none(word: str) -> None:
    assert bound("/srv/photos", ROOT, plain=(word,))[0] == BindingState.REFUSED


def test_r4_a_mounted_disk_needs_no_word() -> None:
    assert bound("/mnt/usb/photos", DISK)[0] == BindingState.BOUND


def test_r4_a_persons_word_is_kept_in_the_registry() -> None:
    book = Registry()
    assert obey(book, Request("enrol", path="/srv/photos", plain=True), [ROOT]).rebind
    obey(book, Request("enrol", path="/srv/photos", plain=True), [ROOT])
    assert book.plain_directories == ["/srv/photos"]
    obey(book, Request("enrol", path="/srv/other"), [ROOT])
    assert book.plain_directories == ["/srv/photos"]


@pytest.mark.parametrize(
    ("path", "mount", "planned", "is_refused"),
    [
        ("/mnt/usb", ROOT, ["/mnt/usb"], True),
        ("/mnt/usb/photos", ROOT, ["/mnt/usb"], True),
        ("/mnt/usb/photos", ROOT, ["/mnt/usb/photos/2024", "/mnt/us"], False),
        ("/mnt/usb/photos", DISK, ["/mnt/usb"], False),
        ("/mnt/usb/photos", DISK, ["/mnt"], False),
        ("/mnt/usb/photos", DISK, ["/mnt/usb/photos"], True),
        ("/mnt/usb", ROOT, ["/"], False),
    ],
)
def test_r4_a_planned_mount_point_with_nothing_on_it_is_refused(
    path: str, mount: Mount, planned: list[str], is_refused: bool
) -> None:
    assert (places.refusal(path, mount, planned) is not None) is is_refused


def test_r19_a_path_below_an_idle_automount_is_not_opened() -> None:
    automount = Mount(3, 1, "0:51", "/", "/mnt/usb", "autofs", "systemd-1")
    assert "idle" in (places.refusal("/mnt/usb/photos", automount, []) or "")
