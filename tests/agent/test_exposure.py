"""What the agent shows: what it has found below its roots, whatever a sidecar says."""

from __future__ import annotations

from pathlib import Path

import msgspec

from agent import bindings
from agent.exposure import Exposed, Exposure, of_before
from agent.registry import Registry, load, save
from holdfast.assignments import AssignedPath, Assignment, Binding, BindingState, KnownVolume, Part
from holdfast.volumes import Identity

DISK = Identity(fs_type="ext4", uuid="disk", root_inode=2)


def told(directory: str, *parts: Part) -> Assignment:
    """An assignment that says of an import path where it was bound before."""
    path = AssignedPath(
        id="imp_1",
        library="lib_1",
        path="/srv/photos",
        server_path="/data",
        exclusion_patterns=[],
        volume="vol_1",
        directory=directory,
        parts=list(parts),
    )
    known = [KnownVolume(id=one, label=one, identity=DISK) for one in ("vol_1", "vol_2")]
    return Assignment(revision=1, catalog="cat_1", volumes=known, import_paths=[path])


def test_the_word_of_a_sidecar_exposes_nothing() -> None:
    registry = Registry()
    part = Part(path="/srv/photos/in", below="in", volume="vol_2", directory="etc")
    bindings.adopt_assignment(registry, told("", part), 1.0)
    assert bindings.scopes(registry, "vol_1") == []
    assert bindings.scopes(registry, "vol_2") == []
    assert [one.import_path for one in bindings.unvouched(registry)] == ["imp_1"]
    assert {one.id for one in bindings.in_use(registry)} == {"vol_1", "vol_2"}, "how they are is told all the same"


def test_what_was_found_is_shown_and_what_lies_below_it() -> None:
    registry = Registry(exposure=Exposure(places=[Exposed("vol_1", "photos")]))
    for directory, shown in (("photos", True), ("photos/trip", True), ("", False), ("photos2", False), ("etc", False)):
        bindings.adopt_assignment(registry, told(directory), 1.0)
        assert bool(bindings.scopes(registry, "vol_1")) == shown, directory
    assert not Exposure(places=[Exposed("vol_1", "photos")]).has("vol_2", "photos")


def test_whoever_loses_a_root_finds_everything_anew() -> None:
    exposure = Exposure(roots=["/srv", "/mnt"], places=[Exposed("vol_1", "")])
    assert not exposure.keep_to(["/srv", "/mnt", "/media"])
    assert exposure.has("vol_1", "x")
    assert exposure.keep_to(["/mnt", "/media"])
    assert not exposure.has("vol_1", "x")


def test_an_agent_of_before_goes_on_to_show_what_it_did() -> None:
    part = Part(path="/srv/photos/in", below="in", volume="vol_2", directory="")
    bound = Binding(import_path="imp_1", state=BindingState.BOUND, volume="vol_1", directory="photos", parts=[part])
    refused = Binding(import_path="imp_2", state=BindingState.REFUSED, volume="vol_1", directory="etc")
    exposure = of_before([bound, refused])
    assert exposure.has("vol_1", "photos")
    assert exposure.has("vol_2", "x")
    assert not exposure.has("vol_1", "etc")


def test_the_registry_of_an_agent_of_before_is_taken_over_once(tmp_path: Path) -> None:
    file = tmp_path / "registry.json"
    bound = Binding(import_path="imp_1", state=BindingState.BOUND, volume="vol_1", directory="photos")
    old = msgspec.json.decode(msgspec.json.encode(Registry(bindings={"imp_1": bound})))
    del old["exposure"]
    file.write_bytes(msgspec.json.encode({**old, "format": 1}))
    registry = load(str(file))
    bindings.adopt_assignment(registry, told("photos"), 1.0)
    assert bindings.scopes(registry, "vol_1")
    # From then on it says itself what it shows.
    registry.exposure.keep_to(["/srv"])
    registry.exposure.keep_to([])
    save(str(file), registry)
    assert bindings.scopes(load(str(file)), "vol_1") == []
