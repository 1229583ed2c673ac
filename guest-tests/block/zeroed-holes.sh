#!/bin/sh
# Zeroes that the guest lets the disk unmap free their blocks in the image, and read as zeros.
#: groups = ["block"]
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd"]
#: requires.tools = ["stat"]

in_host() {
    for disk in virtio scsi; do
        truncate -s 32M "$SCRATCH/$disk"
        set -- "$@" -blockdev "driver=raw,node-name=$disk,discard=unmap,file.driver=file,file.discard=unmap,file.filename=$SCRATCH/$disk"
    done
    qemu "$@" -device virtio-blk-pci,drive=virtio -device virtio-scsi-pci -device scsi-hd,drive=scsi
    for disk in virtio scsi; do
        allocated=$(($(stat -c '%b * %B' "$SCRATCH/$disk")))
        test $allocated -lt 1048576 || fail "$disk: expected less than 1 MiB in the image, found $allocated bytes"
        has_pattern 1 "$SCRATCH/$disk" 16
    done
}

in_guest() {
    wait_for "test \$(disks | wc -w) = 2" 20
    for disk in $(disks); do
        wait_for "true < /dev/$disk"
        # For a SCSI disk, Linux uses WRITE SAME with the bit UNMAP only if it is asked to.
        mode=$(ls "/sys/block/$disk"/device/scsi_disk/*/zeroing_mode 2> /dev/null || true)
        test -z "$mode" || echo writesame_16_unmap > "$mode"
        dd if=/dev/urandom of="/dev/$disk" bs=1M seek=4 count=8 conv=fsync status=none
        put_pattern 1 "/dev/$disk" 16
        # A loop device turns a discard into zeroes that may be unmapped.
        loop=$(losetup -f)
        losetup "$loop" "/dev/$disk"
        blkdiscard -o $((4 * 1048576)) -l $((8 * 1048576)) "$loop"
        losetup -d "$loop"
        dd if=/dev/null of="/dev/$disk" conv=notrunc,fsync status=none
        echo 3 > /proc/sys/vm/drop_caches
        test "$(dd if="/dev/$disk" bs=1M skip=4 count=8 status=none | tr -d '\0' | wc -c)" = 0
    done
}
