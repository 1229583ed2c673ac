#!/bin/sh
# Disks come to and go from a virtio SCSI controller that stays, each at its own address.
#: groups = ["hotplug"]
#: requires.devices = ["virtio-scsi-pci", "scsi-hd"]

in_host() {
    truncate -s 8M "$SCRATCH/a"
    truncate -s 12M "$SCRATCH/b"
    qemu -device virtio-scsi-pci,id=scsi0 -blockdev driver=file,node-name=a,filename="$SCRATCH/a" \
        -blockdev driver=file,node-name=b,filename="$SCRATCH/b"
}

# size ADDRESS: in sectors.
size() {
    cat "/sys/class/scsi_disk/0:0:$1/device/block/"sd?/size
}

in_guest() {
    first=$(plug scsi-hd bus=scsi0.0 drive=a scsi-id=1 lun=0)
    wait_for "true < /dev/sda"
    second=$(plug scsi-hd bus=scsi0.0 drive=b scsi-id=1 lun=5)
    wait_for "true < /dev/sdb"
    test "$(size 1:0)" = 16384
    test "$(size 1:5)" = 24576
    echo kiln | dd of=/dev/sda conv=fsync,sync bs=512
    unplug "$first"
    wait_for "test ! -e /dev/sda"
    test -b /dev/sdb

    plug scsi-hd bus=scsi0.0 drive=a scsi-id=3 lun=0
    wait_for "ls /sys/class/scsi_disk/0:0:3:0/device/block/sd?/size"
    disk=$(basename /sys/class/scsi_disk/0:0:3:0/device/block/sd?)
    wait_for "true < /dev/$disk"
    test "$(head -n 1 "/dev/$disk")" = kiln
    unplug "$second"
}
