"""Shares whose server goes away while they are mounted: real servers of NFS and SMB, and clients of Debian's kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.packaging.installed import AGENT, Installed, is_away
from tests.packaging.machine import Machine
from tests.packaging.usb import PHOTOS, Usb

pytestmark = [pytest.mark.timeout(1800), pytest.mark.installation, pytest.mark.root]

# Whoever asks a share whose server is gone waits for as long as that is gone. A computed processor is slow, too.
NOT_HUNG_S = 120
# Packets are lost both ways, as when a cable is pulled: nobody is told anything.
CUT = """
nft -f - << END
table inet cable {
  chain in {
    type filter hook input priority 0
    tcp dport { 445, 2049 } drop
    tcp sport { 445, 2049 } drop
  }
}
END
"""


class Share(NamedTuple):
    """How one is served, mounted, and stopped."""

    serve: str
    mount: str
    unit: str


SHARES = {
    # A server that was restarted lets clients claim what they had, for so long.
    "nfs": Share(
        serve="""
            printf '[nfsd]\\ngrace-time = 10\\nlease-time = 10\\n' > /etc/nfs.conf.d/quick.conf
            systemctl start nfs-server
            exportfs -o rw,no_subtree_check,fsid=7 127.0.0.1:/export/nfs
        """,
        mount="mount -t nfs4 127.0.0.1:/export/nfs",
        unit="nfs-server",
    ),
    "smb": Share(
        serve="""
            printf '[global]\\nserver role = standalone server\\n[photos]\\npath = /export/smb\\n' > /etc/samba/smb.conf
            printf 'secret\\nsecret\\n' | smbpasswd -s -a root
            systemctl start smbd
        """,
        mount="mount -t cifs -o username=root,password=secret //127.0.0.1/photos",
        unit="smbd",
    ),
}


def serve(computer: Machine, kind: str, place: str) -> None:
    """Have a share with photos, mounted."""
    computer.script(f"""
        mkdir -p /export/{kind}/trip {place}
        for name in one two trip/three; do echo "$name" > /export/{kind}/$name.jpg; done
        {SHARES[kind].serve}
        {SHARES[kind].mount} {place}
    """)


@pytest.mark.parametrize("kind", SHARES)
def test_a_server_that_goes_away_hides_its_photos_and_holds_up_nobody(
    installed: Installed, computer: Machine, usb: Callable[[], Usb], kind: str
) -> None:
    share, place, beside, disk = SHARES[kind], f"/srv/{kind}", f"/srv/beside-{kind}", usb()
    disk.fill("ext4", f"beside-{kind}")
    disk.mount(beside)
    serve(computer, kind, place)
    installed.make_library(place)
    installed.make_library(beside)
    installed.taken_up(beside, PHOTOS)
    assets = installed.taken_up(place, PHOTOS)

    for away, back in ((CUT, "nft delete table inet cable"), (f"systemctl stop {share.unit}", share.serve)):
        computer.script(away)
        volume = installed.volume(place, is_away)
        said = computer.script(f"timeout {NOT_HUNG_S} holdfast-agent status")
        assert volume["detail"] in said
        installed.check_away(place, assets)
        known = len(installed.assets(beside))
        computer.script(f"cp {beside}/one.jpg {beside}/$(date +%s).jpg")
        installed.assets(beside, lambda found, before=known: len(found) > before)
        computer.script(back)
        installed.check_back(place, assets)
    computer.script(f"umount {place}; systemctl stop {share.unit}")


def test_an_agent_that_is_started_while_a_share_hangs_or_without_its_server_waits_for_it(
    installed: Installed, computer: Machine
) -> None:
    """Restarted in the midst of it, as an upgrade does, and booted when the server was not there."""
    share, place = SHARES["nfs"], "/srv/again"
    serve(computer, "nfs", place)
    installed.make_library(place)
    assets = installed.taken_up(place, PHOTOS)

    computer.script(CUT)
    installed.volume(place, is_away)
    computer.script(f"timeout {NOT_HUNG_S} systemctl restart {AGENT}")
    computer.script(f"timeout {NOT_HUNG_S} holdfast-agent status")
    installed.check_away(place, assets)
    computer.script("nft delete table inet cable")
    installed.check_back(place, assets)

    computer.script("systemctl disable nfs-server")
    computer.switch_off()
    computer.switch_on()
    computer.until(f"systemctl is-active {AGENT}")
    installed.check_away(place, assets)
    computer.script(f"{share.serve}\n{share.mount} {place}")
    installed.check_back(place, assets)
    computer.script(f"umount {place}; systemctl stop {share.unit}")
