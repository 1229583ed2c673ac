#!/bin/sh
# A disk that grows is larger in the guest at once, and what was on it and what is added hold data.
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd"]
#: choices.device = ["virtio-blk-pci", "scsi-hd"]

in_host() {
    device=$(choose device)
    truncate -s 16M "$SCRATCH/disk"
    case $device in
        virtio-blk-pci) set -- -device virtio-blk-pci,drive=disk ;;
        scsi-hd) set -- -device virtio-scsi-pci -device scsi-hd,drive=disk ;;
    esac
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" "$@"
    has_pattern 1 "$SCRATCH/disk" 4
    has_pattern 2 "$SCRATCH/disk" 20
}

in_guest() {
    wait_for only_disk
    disk=/dev/$(only_disk)
    test "$(blockdev --getsize64 "$disk")" = 16777216
    put_pattern 1 "$disk" 4
    qmp block_resize node-name=disk size=25165824
    wait_for "test \"\$(blockdev --getsize64 $disk)\" = 25165824"
    put_pattern 2 "$disk" 20
    has_pattern 1 "$disk" 4
    has_pattern 2 "$disk" 20
}
