#!/bin/sh
# Disks of virtio devices that are not on PCI: what the guest writes is in the images.
#: arch = ["aarch64", "m68k", "or1k", "riscv32", "riscv64"]
#: requires.devices = ["virtio-blk-device", "virtio-scsi-device", "scsi-hd"]

in_host() {
    truncate -s 16M "$SCRATCH/a" "$SCRATCH/b"
    qemu -blockdev driver=raw,node-name=a,file.driver=file,file.filename="$SCRATCH/a" \
        -blockdev driver=raw,node-name=b,file.driver=file,file.filename="$SCRATCH/b" \
        -device virtio-blk-device,drive=a -device virtio-scsi-device -device scsi-hd,drive=b
    has_pattern 1 "$SCRATCH/a" 5
    has_pattern 2 "$SCRATCH/b" 5
}

in_guest() {
    wait_for "true < /dev/vda && true < /dev/sda"
    readlink /sys/block/vda | grep "virtio.mmio"
    readlink /sys/block/sda | grep "virtio.mmio"
    put_pattern 1 /dev/vda 5
    put_pattern 2 /dev/sda 5
    has_pattern 1 /dev/vda 5
    has_pattern 2 /dev/sda 5
}
