#!/bin/sh
# A disk that grows is larger in the guest at once, and what was on it and what is added hold data.
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd"]

in_host() {
    for disk in virtio scsi; do
        truncate -s 16M "$SCRATCH/$disk"
        set -- "$@" -blockdev "driver=raw,node-name=$disk,file.driver=file,file.filename=$SCRATCH/$disk"
    done
    qemu "$@" -device virtio-blk-pci,drive=virtio -device virtio-scsi-pci -device scsi-hd,drive=scsi
    for disk in virtio scsi; do
        has_pattern 1 "$SCRATCH/$disk" 4
        has_pattern 2 "$SCRATCH/$disk" 20
    done
}

in_guest() {
    for disk in /dev/vda /dev/sda; do
        wait_for "true < $disk" 20
        test "$(blockdev --getsize64 "$disk")" = 16777216
        put_pattern 1 "$disk" 4
    done
    for node in virtio scsi; do
        qmp block_resize node-name=$node size=25165824
    done
    for disk in /dev/vda /dev/sda; do
        wait_for "test \"\$(blockdev --getsize64 $disk)\" = 25165824"
        put_pattern 2 "$disk" 20
        has_pattern 1 "$disk" 4
        has_pattern 2 "$disk" 20
    done
}
