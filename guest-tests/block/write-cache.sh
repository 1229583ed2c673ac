#!/bin/sh
# A write cache that the guest disables and enables again is disabled and enabled in QEMU, with every controller.
#: groups = ["block"]
#: choices.controller = { devices = ["virtio-blk-pci", "virtio-scsi-pci", "nvme", "ich9-ahci"] }

in_host() {
    for disk in $(offered controller); do
        truncate -s 8M "$SCRATCH/$disk"
        # shellcheck disable=SC2046  # words
        set -- "$@" $(disk_device "$disk" "$disk" "id=$disk") \
            -blockdev "driver=raw,node-name=$disk,file.driver=file,file.filename=$SCRATCH/$disk"
    done
    qemu -append "disks=$(offered controller | paste -sd ,)" "$@"
}

in_guest() {
    controllers=$(kernel_parameter disks | tr , ' ')
    wait_for "test \$(disks | wc -w) = $(echo "$controllers" | wc -w)" 20
    for disk in /sys/class/scsi_disk/*; do
        test -e "$disk" || continue
        wait_for "test -e $disk/cache_type"
        case $(cat "$disk/device/vendor") in
            ATA*) ahci=$disk/cache_type ;;
            *) scsi=$disk/cache_type ;;
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
    for controller in $controllers; do
        case $controller in
            virtio-blk-pci) echo "$1" > /sys/block/vda/cache_type ;;
            virtio-scsi-pci) echo "$1" > "$scsi" ;;
            ich9-ahci) echo "$1" > "$ahci" ;;
            nvme) nvme_admin /dev/nvme0 9 cdw10=6 cdw11="$2" ;;
        esac
    done
}

# expect true|false WHEN: compares the caches in QEMU.
expect() {
    enabled=$1
    shift
    for device in $controllers; do
        # Each disk is an object of the list; its own cache follows its device.
        found=$(qmp query-block | sed 's/{"io-status\|{"device"/\n&/g' | grep "\"qdev\":\"[^\"]*\\b$device\\b" |
            sed 's/.*"writeback":\([a-z]*\).*/\1/')
        test "$found" = "$enabled" || fail "$device: expected write cache $enabled $*, found $found"
    done
}
