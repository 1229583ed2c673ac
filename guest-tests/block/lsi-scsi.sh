#!/bin/sh
# What is written through an LSI 53C8xx SCSI controller is in the image, and is there again after a reset.
# Not on a pseries: there no command of the driver comes to an end, whichever byte order the guest has.
#: arch = ["x86_64", "aarch64", "riscv64"]
#: reboots = 1
#: timeout = "60s"
#: choices.controller.devices = ["lsi53c810", "lsi53c895a"]

in_host() {
    controller=$(choose controller)
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" \
        -device "$controller" -device scsi-hd,drive=disk
    has_pattern 1 "$SCRATCH/disk" 5
}

in_guest() {
    wait_for "true < /dev/sda" 20
    if test "$BOOTS" = 0; then
        put_pattern 1 /dev/sda 5
        leave reboot
    fi
    has_pattern 1 /dev/sda 5
}
