#!/bin/sh
# A read-only disk can be read; writes to it are refused by the guest, and by the disk where the guest tries all the same.
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd"]
#: choices.device = ["virtio-blk-pci", "scsi-hd"]

in_host() {
    device=$(choose device)
    truncate -s 16M "$SCRATCH/disk"
    put_pattern 1 "$SCRATCH/disk" 4
    case $device in
        virtio-blk-pci) set -- -device virtio-blk-pci,drive=disk ;;
        scsi-hd) set -- -device virtio-scsi-pci -device scsi-hd,drive=disk ;;
    esac
    chmod 444 "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,read-only=on,file.driver=file,file.filename="$SCRATCH/disk" "$@"
    has_pattern 1 "$SCRATCH/disk" 4
}

in_guest() {
    wait_for only_disk
    disk=/dev/$(only_disk)
    test "$(cat "/sys/block/${disk#/dev/}/ro")" = 1
    has_pattern 1 "$disk" 4
    if put_pattern 2 "$disk" 4; then
        fail "a read-only disk was opened for writing"
    fi
    # The guest believes now that it may write.
    blockdev --setrw "$disk"
    if put_pattern 2 "$disk" 4; then
        fail "a read-only disk took a write"
    fi
    has_pattern 1 "$disk" 4
}
