#!/bin/sh
# The machines that are no default take a virtio disk while they run, too, and give it back.
#: arch = ["ppc64", "ppc64le", "x86_64"]
#: machine = { ppc64 = "pseries-slof", ppc64le = "pseries-slof", x86_64 = "pc" }
#: slots = 2
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=file,node-name=disk,filename="$SCRATCH/disk"
    has_pattern 1 "$SCRATCH/disk" 7
}

in_guest() {
    before=
    for serial in first second; do
        disk=$(plug virtio-blk-pci drive=disk serial=$serial)
        test "$disk" != "$before"
        before=$disk
        wait_for "grep -x $serial /sys/block/vda/serial"
        if test $serial = first; then
            put_pattern 1 /dev/vda 7
        fi
        has_pattern 1 /dev/vda 7
        unplug "$disk"
        wait_for 'test ! -e /dev/vda'
    done
}
