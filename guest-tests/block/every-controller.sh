#!/bin/sh
# Disks behind controllers of every kind at once: each has what was written to it, and no other disk has it.
#: groups = ["block"]
#: timeout = "90s"
#: choices.controller = { devices = ["virtio-blk-pci", "virtio-scsi-pci", "nvme", "ich9-ahci", "am53c974", "megasas", "usb-storage", "usb-uas", "sdhci-pci"] }

in_host() {
    digit=1
    for disk in $(offered controller); do
        size=$((7 + digit))
        # A card must have a size that is a power of two.
        test "$disk" != sdhci-pci || size=64
        truncate -s ${size}M "$SCRATCH/$disk"
        # shellcheck disable=SC2046  # words
        set -- "$@" $(disk_device "$disk" "$disk") \
            -blockdev "driver=raw,node-name=$disk,file.driver=file,file.filename=$SCRATCH/$disk"
        digit=$((digit + 1))
    done
    qemu -append "disks=$(offered controller | wc -l)" "$@"
    digit=1
    for disk in $(offered controller); do
        test "$disk" != sdhci-pci || digit=9
        has_pattern $digit "$SCRATCH/$disk" 5 || fail "$disk: expected pattern $digit in its image"
        digit=$((digit + 1))
    done
}

in_guest() {
    wait_for "test \$(disks | wc -w) = $(kernel_parameter disks)" 30
    for disk in $(disks); do
        wait_for "true < /dev/$disk"
        put_pattern "$(digit)" "/dev/$disk" 5
    done
    for disk in $(disks); do
        has_pattern "$(digit)" "/dev/$disk" 5 || fail "$disk: expected pattern $(digit)"
    done
}

# The digit of the disk's pattern, which depends on its size.
digit() {
    size=$(($(blockdev --getsize64 "/dev/$disk") / 1048576))
    test $size != 64 || size=16
    echo $((size - 7))
}
