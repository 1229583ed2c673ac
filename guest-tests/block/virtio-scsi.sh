#!/bin/sh
# Two disks on one virtio-scsi controller, each at the address it was given.
#: requires.devices = ["virtio-scsi-pci", "scsi-hd"]

in_host() {
    truncate -s 8M "$SCRATCH/a"
    truncate -s 12M "$SCRATCH/b"
    qemu -device virtio-scsi-pci,id=scsi0 \
        -drive if=none,id=a,file="$SCRATCH/a",format=raw \
        -drive if=none,id=b,file="$SCRATCH/b",format=raw \
        -device scsi-hd,bus=scsi0.0,scsi-id=0,lun=0,drive=a \
        -device scsi-hd,bus=scsi0.0,scsi-id=3,lun=1,drive=b
}

in_guest() {
    wait_for "test -d /sys/class/scsi_disk/0:0:3:1/device/block"
    a=$(ls /sys/class/scsi_disk/0:0:0:0/device/block)
    b=$(ls /sys/class/scsi_disk/0:0:3:1/device/block)
    test "$(cat "/sys/block/$a/size")" = 16384
    test "$(cat "/sys/block/$b/size")" = 24576
    echo written to "$b" | dd of="/dev/$b" conv=fsync,sync bs=512
    echo 3 > /proc/sys/vm/drop_caches
    test "$(dd if="/dev/$b" bs=512 count=1 | head -n 1)" = "written to $b"
}
