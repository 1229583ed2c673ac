#!/bin/sh
# A guest script names a file of the host to QEMU's monitor by $SCRATCH, and the host script finds it there.
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 4M "$SCRATCH/disk"
    qemu -drive if=none,id=d0,file="$SCRATCH/disk",format=raw -device virtio-blk-pci,drive=d0
    test -s "$SCRATCH/overlay"
    # What was written after the snapshot is in the overlay only.
    ! has_pattern 1 "$SCRATCH/disk" 2
}

in_guest() {
    test -n "$SCRATCH"
    qmp blockdev-snapshot-sync device=d0 snapshot-file="$SCRATCH/overlay" format=qcow2
    put_pattern 1 /dev/vda 2
}
