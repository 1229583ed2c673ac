#!/bin/sh
# An NVMe disk shows its serial number and gives back what was written to it.
#: requires.devices = ["nvme"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -drive if=none,id=d0,file="$SCRATCH/disk",format=raw -device nvme,drive=d0,serial=kiln-nvme
}

in_guest() {
    wait_for "true < /dev/nvme0n1"
    grep -q kiln-nvme /sys/class/nvme/nvme0/serial
    dd if=/dev/urandom of=/tmp/data bs=64k count=16
    dd if=/tmp/data of=/dev/nvme0n1 bs=64k seek=9 conv=fsync
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/nvme0n1 bs=64k skip=9 count=16 | cmp - /tmp/data
}
