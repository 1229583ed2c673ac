#!/bin/sh
# A discard that is longer than one range frees all of its blocks and no others, with every controller.
#: groups = ["block"]
#: timeout = "60s"
#: choices.controller = { devices = ["virtio-blk-pci", "virtio-scsi-pci", "nvme", "ich9-ahci"] }

in_host() {
    for disk in $(offered controller); do
        truncate -s 256M "$SCRATCH/$disk"
        # shellcheck disable=SC2046  # words
        set -- "$@" $(disk_device "$disk" "$disk") \
            -blockdev "driver=raw,node-name=$disk,discard=unmap,file.driver=file,file.discard=unmap,file.filename=$SCRATCH/$disk"
    done
    qemu -append "disks=$(offered controller | wc -l)" "$@"
    truncate -s 512K "$SCRATCH/zeros"
    for disk in $(offered controller); do
        for mib in 8 200; do
            has_pattern 1 "$SCRATCH/$disk" $mib || fail "$disk: expected the data at $mib MiB to be kept"
        done
        for mib in 16 110; do
            dd if="$SCRATCH/$disk" bs=1M skip=$mib count=1 status=none | cmp -s -n 524288 - "$SCRATCH/zeros" ||
                fail "$disk: expected zeros at $mib MiB, found data"
        done
    done
}

in_guest() {
    wait_for "test \$(disks | wc -w) = $(kernel_parameter disks)" 20
    for disk in $(disks); do
        wait_for "true < /dev/$disk"
        for mib in 8 16 110 200; do
            put_pattern 1 "/dev/$disk" $mib
        done
        # A range of an ATA disk has 65535 sectors at most.
        blkdiscard -o $((16 * 1048576)) -l $((184 * 1048576)) "/dev/$disk"
        dd if=/dev/null of="/dev/$disk" conv=notrunc,fsync status=none
    done
}
