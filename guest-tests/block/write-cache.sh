#!/bin/sh
# A write cache that the guest disables and enables again is disabled and enabled in QEMU, with every controller.
#: groups = ["block"]
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd", "nvme", "ich9-ahci"]

in_host() {
    for disk in virtio scsi nvme ahci; do
        truncate -s 8M "$SCRATCH/$disk"
        set -- "$@" -blockdev "driver=raw,node-name=$disk,file.driver=file,file.filename=$SCRATCH/$disk"
    done
    qemu "$@" -device virtio-blk-pci,id=virtio,drive=virtio \
        -device virtio-scsi-pci,id=s -device scsi-hd,id=scsi,bus=s.0,drive=scsi \
        -device nvme,id=nvme,drive=nvme,serial=kiln \
        -device ich9-ahci,id=a -device ide-hd,id=ahci,bus=a.0,drive=ahci
}

in_guest() {
    wait_for "test \$(disks | wc -w) = 4" 20
    for disk in /sys/class/scsi_disk/*; do
        wait_for "test -e $disk/cache_type"
        case $(cat "$disk/device/vendor") in
            ATA*) ahci=$disk ;;
            *) scsi=$disk ;;
        esac
    done
    expect true at first
    set_cache 'write through' 0
    expect false after it was disabled
    set_cache 'write back' 1
    expect true after it was enabled
    # A cache that was disabled must not defer writes.
    set_cache 'write through' 0
    for disk in $(disks); do
        put_pattern 1 "/dev/$disk" 4
    done
}

# set_cache TYPE NUMBER: the type for Linux, and the number for an NVMe feature.
set_cache() {
    echo "$1" > /sys/block/vda/cache_type
    echo "$1" > "$scsi/cache_type"
    echo "$1" > "$ahci/cache_type"
    nvme_admin /dev/nvme0 9 cdw10=6 cdw11="$2"
}

# expect true|false WHEN: compares the caches in QEMU.
expect() {
    enabled=$1
    shift
    for device in virtio scsi nvme ahci; do
        # Each disk is an object of the list; its own cache follows its device.
        found=$(qmp query-block | sed 's/{"io-status\|{"device"/\n&/g' | grep "\"qdev\":\"[^\"]*\\b$device\\b" |
            sed 's/.*"writeback":\([a-z]*\).*/\1/')
        test "$found" = "$enabled" || fail "$device: expected write cache $enabled $*, found $found"
    done
}
