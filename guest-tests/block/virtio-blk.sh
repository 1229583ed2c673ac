#!/bin/sh
# A virtio disk shows its serial number and gives back what was written to it.
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -drive if=none,id=d0,file="$SCRATCH/disk",format=raw \
        -device virtio-blk-pci,drive=d0,serial=kiln-0815
}

in_guest() {
    test "$(cat /sys/block/vda/serial)" = kiln-0815
    test "$(blockdev --getsize64 /dev/vda)" = 16777216
    dd if=/dev/urandom of=/tmp/data bs=64k count=16
    dd if=/tmp/data of=/dev/vda bs=64k seek=7 conv=fsync
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/vda bs=64k skip=7 count=16 | cmp - /tmp/data
}
