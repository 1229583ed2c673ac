#!/bin/sh
# A virtio disk and a virtio network card are found in one guest.
#: requires.devices = ["virtio-blk-pci", "virtio-net-pci"]

in_host() {
    truncate -s 4M "$SCRATCH/disk"
    qemu -drive "if=none,id=d,format=raw,file=$SCRATCH/disk" -device virtio-blk-pci,drive=d \
        -netdev hubport,hubid=0,id=n -device virtio-net-pci,netdev=n,mac=52:54:00:12:34:58
}

in_guest() {
    test "$(cat /sys/block/vda/size)" = 8192
    test "$(cat /sys/class/net/eth0/address)" = 52:54:00:12:34:58
}
