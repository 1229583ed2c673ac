#!/bin/sh
# A SCSI disk shows the vendor, product, version, serial number and world-wide name that it was given.
#: requires.devices = ["virtio-scsi-pci", "scsi-hd"]

in_host() {
    truncate -s 1M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" -device virtio-scsi-pci \
        -device scsi-hd,drive=disk,vendor=KILN,product=TEST-DISK,ver=1.5,serial=kiln-0815,wwn=0x5000c50015ea71ac,rotation_rate=1
}

in_guest() {
    wait_for "true < /dev/sda"
    cd /sys/block/sda/device
    test "$(cat vendor)" = "KILN    "
    test "$(cat model)" = "TEST-DISK       "
    test "$(cat rev)" = "1.5 "
    test "$(cat wwid)" = naa.5000c50015ea71ac
    test "$(tail -c +5 vpd_pg80)" = kiln-0815
    test "$(cat /sys/block/sda/queue/rotational)" = 0
}
