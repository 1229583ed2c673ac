#!/bin/sh
# A disk that is mounted and goes all the same gives its users errors; the guest lives, and takes the next disk.
#: slots = 2
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=file,node-name=disk,filename="$SCRATCH/disk"
}

in_guest() {
    disk=$(plug virtio-blk-pci drive=disk serial=first)
    wait_for "true < /dev/vda"
    mke2fs -q /dev/vda
    mount -t ext4 /dev/vda /mnt
    echo kept > /mnt/file
    sync
    unplug "$disk"
    ! dd if=/dev/zero of=/mnt/new bs=64k count=16 conv=fsync || fail "a disk that is gone is written"
    umount -l /mnt

    plug virtio-blk-pci drive=disk serial=second
    wait_for "grep -q second /sys/block/vd?/serial"
    new=$(dirname "$(grep -l second /sys/block/vd?/serial)")
    mount -t ext4 "/dev/$(basename "$new")" /mnt
    test "$(cat /mnt/file)" = kept
    umount /mnt
}
