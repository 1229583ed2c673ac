#!/bin/sh
# The machines that are no default take a virtio disk while they run, too, and give it back.
#: arch = ["ppc64", "x86_64"]
#: machine = { ppc64 = "pseries-slof", x86_64 = "pc" }
#: slots = 2
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=file,node-name=disk,filename="$SCRATCH/disk"
}

in_guest() {
    dd if=/dev/urandom of=/tmp/data bs=64k count=16
    disk=$(plug virtio-blk-pci drive=disk serial=first)
    wait_for 'test -e /sys/block/vda/serial'
    test "$(cat /sys/block/vda/serial)" = first
    dd if=/tmp/data of=/dev/vda bs=64k seek=7 conv=fsync
    unplug "$disk"
    test ! -e /dev/vda

    again=$(plug virtio-blk-pci drive=disk serial=second)
    test "$again" != "$disk"
    wait_for 'test -e /sys/block/vda/serial'
    test "$(cat /sys/block/vda/serial)" = second
    dd if=/dev/vda bs=64k skip=7 count=16 | cmp - /tmp/data
    unplug "$again"
}
