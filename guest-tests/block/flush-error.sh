#!/bin/sh
# A flush that fails on the host fails in the guest, with every disk controller; what was written before is not lost.
#: groups = ["block"]
#: timeout = "60s"
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd", "nvme", "ich9-ahci", "qemu-xhci", "usb-storage"]

in_host() {
    for disk in virtio scsi nvme ahci usb; do
        truncate -s 8M "$SCRATCH/$disk"
        set -- "$@" -blockdev '{"driver": "raw", "node-name": "'$disk'", "file": {"driver": "blkdebug",
            "inject-error": [{"event": "flush_to_disk", "errno": 5}],
            "image": {"driver": "file", "filename": "'"$SCRATCH/$disk"'"}}}'
    done
    qemu "$@" -device virtio-blk-pci,drive=virtio \
        -device virtio-scsi-pci,id=s -device scsi-hd,bus=s.0,drive=scsi \
        -device nvme,drive=nvme,serial=kiln \
        -device ich9-ahci,id=a -device ide-hd,bus=a.0,drive=ahci \
        -device qemu-xhci -device usb-storage,drive=usb,removable=off
    for disk in virtio scsi nvme ahci usb; do
        has_pattern 3 "$SCRATCH/$disk" 2
    done
}

in_guest() {
    wait_for "test \$(disks | wc -w) = 5" 20
    for disk in $(disks); do
        pattern 3 | dd of="/dev/$disk" bs=512k seek=4 iflag=fullblock oflag=direct 2> /tmp/error ||
            fail "$disk: the write failed: $(cat /tmp/error)"
        if dd if=/dev/null of="/dev/$disk" conv=notrunc,fsync 2> /tmp/error; then
            fail "$disk ($(readlink "/sys/block/$disk")): expected the flush to fail, but it succeeded"
        fi
    done
}
