#!/bin/sh
# A flush that fails on the host fails in the guest, with every disk controller; what was written before is not lost.
# Not megasas: its Linux driver completes flushes by itself, because a RAID controller manages its cache.
#: groups = ["block"]
#: timeout = "60s"
#: requires.devices = ["scsi-hd", "ide-hd"]
#: choices.controller = { devices = ["virtio-blk-pci", "virtio-scsi-pci", "nvme", "ich9-ahci", "usb-storage", "usb-uas", "am53c974"] }

in_host() {
    for disk in $(offered controller); do
        truncate -s 8M "$SCRATCH/$disk"
        property=
        test "$disk" != usb-storage || property=removable=off
        # shellcheck disable=SC2046  # words
        set -- "$@" $(disk_device "$disk" "$disk" $property)
        set -- "$@" -blockdev '{"driver": "raw", "node-name": "'"$disk"'", "file": {"driver": "blkdebug",
            "inject-error": [{"event": "flush_to_disk", "errno": 5}],
            "image": {"driver": "file", "filename": "'"$SCRATCH/$disk"'"}}}'
    done
    qemu -append "disks=$(offered controller | wc -l)" "$@"
    for disk in $(offered controller); do
        has_pattern 3 "$SCRATCH/$disk" 2
    done
}

in_guest() {
    wait_for "test \$(disks | wc -w) = $(kernel_parameter disks)" 20
    for disk in $(disks); do
        pattern 3 | dd of="/dev/$disk" bs=512k seek=4 iflag=fullblock oflag=direct 2> /tmp/error ||
            fail "$disk: the write failed: $(cat /tmp/error)"
        if dd if=/dev/null of="/dev/$disk" conv=notrunc,fsync 2> /tmp/error; then
            fail "$disk ($(readlink "/sys/block/$disk")): expected the flush to fail, but it succeeded"
        fi
    done
}
