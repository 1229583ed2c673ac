#!/bin/sh
# A directory shared by 9p: the guest reads what the host wrote, and the host what the guest wrote.
#: groups = ["virtio"]
#: choices.share = { devices = ["virtio-9p-pci", "virtio-9p-pci-transitional", "virtio-9p-pci-non-transitional"] }

in_host() {
    mkdir "$SCRATCH/share"
    echo from the host > "$SCRATCH/share/host"
    share=$(choose share)
    qemu -fsdev local,id=share,path="$SCRATCH/share",security_model=none -device "$share,fsdev=share,mount_tag=share"
    test "$(cat "$SCRATCH/share/guest")" = "from the guest"
}

in_guest() {
    mount -t 9p -o trans=virtio,version=9p2000.L share /mnt
    test "$(cat /mnt/host)" = "from the host"
    echo from the guest > /mnt/guest
    umount /mnt
}
