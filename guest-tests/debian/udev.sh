#!/bin/sh
# udev names a disk that is plugged while the system runs, and a program of Debian reads it; files on another disk survive an unmount.
#: arch = ["aarch64", "x86_64"]
#: debian.packages = ["nvme-cli"]
#: slots = 1
#: scratch = ["64M"]

in_host() {
    truncate -s 64M disk
    qemu -drive if=none,id=d,file=disk,format=raw
}

in_guest() {
    mkdir /tmp/disk
    mkfs.ext4 -q /dev/disk/by-id/virtio-scratch0
    mount /dev/disk/by-id/virtio-scratch0 /tmp/disk
    echo kept > /tmp/disk/file
    umount /tmp/disk
    mount /dev/vda /tmp/disk
    test "$(cat /tmp/disk/file)" = kept

    plug nvme drive=d serial=kiln7 > /dev/null
    wait_for 'test -b /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_kiln7'
    /usr/sbin/nvme id-ctrl /dev/nvme0 | grep -q '^sn *: kiln7 *$'
    test "$(/usr/sbin/nvme list --output-format=json | grep -c kiln7)" = 1
}
