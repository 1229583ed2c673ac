#!/bin/sh
# Two scratch disks: each has its size and its own content.
# Not on m68k, where the first disk is the last that the kernel finds: QEMU fills the slots of virtio-mmio from the last.
#: except-arch = ["m68k"]
#: scratch = ["32M", "48M"]

in_guest() {
    test "$(blockdev --getsize64 /dev/vda)" = $((32 * 1024 * 1024))
    test "$(blockdev --getsize64 /dev/vdb)" = $((48 * 1024 * 1024))
    for disk in vda vdb; do
        mke2fs -q "/dev/$disk"
        mkdir -p "/mnt/$disk"
        mount -t ext4 "/dev/$disk" "/mnt/$disk"
        echo "$disk" > "/mnt/$disk/name"
        umount "/mnt/$disk"
    done
    for disk in vda vdb; do
        mount -t ext4 "/dev/$disk" "/mnt/$disk"
        test "$(cat "/mnt/$disk/name")" = "$disk"
    done
}
