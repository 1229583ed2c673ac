#!/bin/sh
# Disks behind controllers of every kind at once: each has what was written to it, and no other disk has it.
#: groups = ["block"]
#: timeout = "90s"
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd", "nvme", "ich9-ahci", "am53c974", "megasas", "sdhci-pci", "qemu-xhci", "usb-storage", "usb-uas"]

controllers="virtio scsi nvme ahci esp megasas usb uas"

in_host() {
    size=8
    # The sizes differ by 1 MiB, in this order. A card must have a size that is a power of two.
    for disk in $controllers; do
        truncate -s ${size}M "$SCRATCH/$disk"
        size=$((size + 1))
    done
    truncate -s 64M "$SCRATCH/card"
    for disk in $controllers card; do
        set -- "$@" -blockdev "driver=raw,node-name=$disk,file.driver=file,file.filename=$SCRATCH/$disk"
    done
    qemu "$@" -device virtio-blk-pci,drive=virtio \
        -device virtio-scsi-pci,id=s -device scsi-hd,bus=s.0,drive=scsi \
        -device nvme,drive=nvme,serial=kiln \
        -device ich9-ahci,id=a -device ide-hd,bus=a.0,drive=ahci \
        -device am53c974,id=e -device scsi-hd,bus=e.0,drive=esp \
        -device megasas,id=m -device scsi-hd,bus=m.0,drive=megasas \
        -device qemu-xhci,id=x -device usb-storage,bus=x.0,drive=usb \
        -device usb-uas,bus=x.0,id=u -device scsi-hd,bus=u.0,drive=uas \
        -device sdhci-pci -device sd-card,drive=card
    digit=1
    for disk in $controllers; do
        has_pattern $digit "$SCRATCH/$disk" 5 || fail "$disk: expected pattern $digit in its image"
        digit=$((digit + 1))
    done
    has_pattern 9 "$SCRATCH/card" 5 || fail "card: expected pattern 9 in its image"
}

in_guest() {
    wait_for "test \$(disks | wc -w) = 9" 30
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
