#!/bin/sh
# An NVMe disk plugged into a running guest is written, goes, and comes back with what was written.
#: slots = 1
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["nvme"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=file,node-name=disk,filename="$SCRATCH/disk"
}

in_guest() {
    dd if=/dev/urandom of=/tmp/data bs=64k count=16
    disk=$(plug nvme drive=disk serial=first)
    wait_for "true < /dev/nvme0n1"
    grep -q first /sys/class/nvme/nvme0/serial
    dd if=/tmp/data of=/dev/nvme0n1 bs=64k seek=9 conv=fsync
    unplug "$disk"
    wait_for "test ! -e /dev/nvme0n1"

    plug nvme drive=disk serial=second
    wait_for "grep -q second /sys/class/nvme/nvme*/serial && test -b /dev/nvme?n1"
    dd if="$(echo /dev/nvme?n1)" bs=64k skip=9 count=16 | cmp - /tmp/data
}
