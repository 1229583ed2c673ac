#!/bin/sh
# Disks of every controller have the exact size of their image, keep data beyond 2 TiB, and show serials of full length.
#: groups = ["block"]
#: timeout = "60s"
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd", "nvme", "ich9-ahci"]

# 2.5 TiB and one block of 4 KiB more.
size=2748779073536

in_host() {
    for disk in virtio scsi nvme ahci; do
        truncate -s $size "$SCRATCH/$disk"
        set -- "$@" -blockdev "driver=raw,node-name=$disk,file.driver=file,file.filename=$SCRATCH/$disk"
    done
    qemu "$@" -device virtio-blk-pci,drive=virtio,serial=virtio-789012345678Z \
        -device virtio-scsi-pci,id=s -device scsi-hd,bus=s.0,drive=scsi,serial=scsi-5678901234567890123456789012345,device_id=kiln \
        -device nvme,drive=nvme,serial=nvme-56789012345678Z \
        -device ich9-ahci,id=a -device ide-hd,bus=a.0,drive=ahci,serial=ahci-56789012345678Z
    for disk in virtio scsi nvme ahci; do
        has_pattern 4 "$SCRATCH/$disk" 2621439
    done
}

in_guest() {
    wait_for "test \$(disks | wc -w) = 4" 20
    for disk in $(disks); do
        found=$(blockdev --getsize64 "/dev/$disk")
        test "$found" = $size || fail "$disk: expected $size bytes, found $found"
        found=$(($(cat "/sys/block/$disk/size") * 512))
        test "$found" = $size || fail "$disk: expected $size bytes in sysfs, found $found"
        put_pattern 4 "/dev/$disk" 2621439
        has_pattern 4 "/dev/$disk" 2621439
        if dd if=/dev/zero of="/dev/$disk" bs=4k seek=$((size / 4096)) count=1 conv=fsync 2> /tmp/error; then
            fail "$disk: expected a write behind the end to fail, but it succeeded"
        fi
    done
    test "$(cat /sys/block/vda/serial)" = virtio-789012345678Z
    test "$(tr -d ' ' < /sys/block/nvme0n1/device/serial)" = nvme-56789012345678Z
    for disk in /sys/block/sd*; do
        serial=$(tail -c +5 "$disk/device/vpd_pg80" | tr -d ' \0')
        case $serial in
            scsi-5678901234567890123456789012345 | ahci-56789012345678Z) echo "$serial" >> /tmp/serials ;;
            *) fail "${disk##*/}: expected a serial of full length, found $serial" ;;
        esac
    done
    test "$(sort -u /tmp/serials | wc -l)" = 2
}
