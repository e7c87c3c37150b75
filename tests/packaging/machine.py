"""A virtual machine with Debian's own kernel, for what no container has: disks on USB, servers of files, reboots."""

from __future__ import annotations

import base64
import contextlib
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.linux.disks import run
from tests.needs import needs
from tests.packaging.debian import debian, unpacked
from tests.packaging.host import Host, as_typed, judged
from tests.packaging.monitor import Monitor

_PACKAGES = (
    *("ca-certificates", "curl", "python3", "systemd", "systemd-sysv", "udev", "dbus", "kmod", "udisks2"),
    *("linux-image-amd64", "initramfs-tools", "qemu-guest-agent", "nftables"),
    *("e2fsprogs", "dosfstools", "nfs-kernel-server", "samba", "cifs-utils"),
)
# Started by the tests that need them, or by nobody: a guest without KVM has no time to lose.
_UNWANTED = (
    *("nfs-server", "nfs-blkmap", "rpcbind.service", "rpcbind.socket", "smbd", "nmbd", "samba-ad-dc"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap", "getty@tty1"),
)
_LINE = "org.qemu.guest_agent.0"


class Machine(Host):
    """One of them, with what its disk has on it. Switched on, it can be told what to do."""

    # A processor that is computed takes ten times as long as one that is there.
    patience_s = 400.0

    def __init__(self, place: Path) -> None:
        """``place`` has its disk, kernel and initial system, as :func:`install` puts them there."""
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: list[Monitor] = []

    def switch_on(self) -> None:
        """Start it, and wait until its systemd has started everything."""
        if self._process is None:
            self._start()
        else:
            self._qemu.ask("system_reset")
            self._qemu.ask("cont")
        self._wait_for_guest()

    def switch_off(self) -> None:
        """Shut it down, as with its button; the disks that are plugged stay plugged."""
        self._qemu.ask("system_powerdown")
        self._qemu.event("SHUTDOWN")

    def script(self, text: str) -> str:
        order = {"path": "/bin/bash", "arg": ["-c", as_typed(text)], "capture-output": True}
        pid = self._guest.ask("guest-exec", {**order, "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]})
        deadline = time.monotonic() + self.patience_s
        while not (done := self._guest.ask("guest-exec-status", pid))["exited"]:
            assert time.monotonic() < deadline, f"{text}\n-- does not end"
            time.sleep(0.05)  # nothing tells when a program ends
        printed, complained = (base64.b64decode(done.get(key, "")).decode() for key in ("out-data", "err-data"))
        return judged(text, done.get("exitcode", -1), printed, complained)

    def plug(self, image: Path) -> None:
        """Plug in a disk on USB. Its content outlives this."""
        name = image.stem
        file = {"driver": "file", "filename": str(image)}
        self._qemu.ask("blockdev-add", {"driver": "raw", "node-name": name, "file": file})
        device = {"driver": "usb-storage", "bus": "usb.0", "id": f"usb-{name}", "drive": name, "serial": name}
        self._qemu.ask("device_add", device)

    def yank(self, image: Path) -> None:
        """Pull it out, whatever it is doing."""
        name = image.stem
        self._qemu.ask("device_del", {"id": f"usb-{name}"})
        self._qemu.event("DEVICE_DELETED", lambda about: about.get("device") == f"usb-{name}")
        self._qemu.ask("blockdev-del", {"node-name": name})

    def close(self) -> None:
        """Take the power away."""
        for line in self._lines:
            line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        qemu, guest = self._place / "qemu", self._place / "guest"
        command = ["qemu-system-x86_64", *_hardware(self._place), *_lines(qemu, guest)]
        with (self._place / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while not (qemu.exists() and guest.exists()):
            assert self._process.poll() is None, (self._place / "qemu.log").read_text()
            time.sleep(0.05)  # it says nowhere that it listens
        self._qemu, self._guest = self._lines = [Monitor(path, self.patience_s) for path in (qemu, guest)]
        self._qemu.greet()

    def _wait_for_guest(self) -> None:
        self._qemu.event("VSERPORT_CHANGE", lambda about: about["open"] is True)
        self._guest.agree()
        self.until("systemctl is-system-running --wait")


def _lines(qemu: Path, guest: Path) -> list[str]:
    """How it is spoken to: QEMU itself, and the guest agent."""
    return [
        *("-qmp", f"unix:{qemu},server=on,wait=off"),
        *("-chardev", f"socket,id=guest,path={guest},server=on,wait=off"),
        *("-device", "virtio-serial", "-device", f"virtserialport,chardev=guest,id=line,name={_LINE}"),
    ]


def _hardware(place: Path) -> list[str]:
    return [
        *("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-shutdown"),
        *("-machine", "pc", *_processor(), "-smp", "2", "-m", "2048"),
        *("-kernel", str(place / "vmlinuz"), "-initrd", str(place / "initrd")),
        *("-append", "root=/dev/vda rw console=ttyS0 quiet", "-serial", f"file:{place / 'console.log'}"),
        *("-drive", f"if=virtio,format=raw,cache=unsafe,file={place / 'root.img'}"),
        *("-device", "qemu-xhci,id=usb", "-device", "virtio-rng-pci"),
    ]


def _processor() -> list[str]:
    """The real one, where it can be shared; else one that is computed. A /dev/kvm alone says little: without the
    processor's own help it runs no kernel that was not made for it, and the others stand still instead of failing."""
    flags = set(re.findall(r"\b(?:vmx|svm)\b", Path("/proc/cpuinfo").read_text()))
    if flags and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem"]


@contextlib.contextmanager
def machine(place: Path, packages: Path) -> Iterator[Machine]:
    """A new one with our packages installed, switched on. Nothing is configured."""
    needs(platform.machine() == "x86_64", "needs a processor whose kernel the machine runs, x86_64")
    needs(shutil.which("qemu-system-x86_64"), "needs qemu-system-x86_64, of Debian's qemu-system-x86")
    needs(shutil.which("systemd-nspawn"), "needs systemd-nspawn, of Debian's systemd-container")
    install(place, packages)
    made = Machine(place)
    try:
        made.switch_on()
        yield made
    finally:
        made.close()


def install(place: Path, packages: Path) -> None:
    """Make the machine's disk, with our packages, and lay beside it what it is started with."""
    root = place / "root"
    root.mkdir()
    with unpacked(debian("machine-1", _PACKAGES, _finish), root):
        for package in packages.glob("*.deb"):
            shutil.copy(package, root / "root")
        inside = ["systemd-nspawn", "--quiet", f"--directory={root}", "--register=no", "--keep-unit", "--pipe"]
        run(*inside, "--private-network", "sh", "-c", "apt-get install /root/*.deb < /dev/null")
        (root / "etc/hostname").write_text("machine\n")
        for name, begins in {"vmlinuz": "vmlinuz-", "initrd": "initrd.img-"}.items():
            (found,) = (root / "boot").glob(f"{begins}*")
            shutil.copy(found, place / name)
        disk = place / "root.img"
        with disk.open("wb") as file:
            file.truncate(4 << 30)
        run("mkfs.ext4", "-q", "-F", "-d", str(root), str(disk))


def _finish(root: Path) -> None:
    """A short way to the root file system, and only the services that somebody wants."""
    tools = root / "etc/initramfs-tools"
    (tools / "modules").write_text("virtio_pci\nvirtio_blk\next4\n")
    (tools / "conf.d/short").write_text("MODULES=list\nCOMPRESS=gzip\n")
    run("chroot", str(root), "update-initramfs", "-u")
    run("systemctl", f"--root={root}", "disable", *_UNWANTED)
