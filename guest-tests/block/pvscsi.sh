#!/bin/sh
# What is written through a paravirtual SCSI controller is in the image. Linux has its driver for x86 only.
#: arch = ["x86_64"]
#: requires.devices = ["pvscsi", "scsi-hd"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" \
        -device pvscsi -device scsi-hd,drive=disk
    has_pattern 1 "$SCRATCH/disk" 5
}

in_guest() {
    wait_for "true < /dev/sda"
    put_pattern 1 /dev/sda 5
    has_pattern 1 /dev/sda 5
}
