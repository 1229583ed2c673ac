#!/bin/sh
# A disk behind an IOMMU is handed to vfio-pci and back to its driver.
#: arch = ["x86_64"]
#: requires.devices = ["intel-iommu", "virtio-blk-pci"]
#: start = "cold"

in_host() {
    truncate -s 1M "$SCRATCH/disk"
    qemu -append intel_iommu=on -device intel-iommu,caching-mode=on -drive if=none,id=d0,file="$SCRATCH/disk",format=raw \
        -device virtio-blk-pci,drive=d0,iommu_platform=on,disable-legacy=on
    test "$(head -n 1 "$SCRATCH/disk")" = "written after vfio"
}

in_guest() {
    disk=$(readlink -f /sys/block/vda/device/..)
    group=$(basename "$(readlink "$disk/iommu_group")")
    change_driver vfio-pci
    wait_for "true < /dev/vfio/$group"
    test ! -e /sys/block/vda
    change_driver ""
    wait_for "true < /dev/vda"
    test ! -e "/dev/vfio/$group"
    echo "written after vfio" | dd of=/dev/vda conv=fsync
}

# Give the disk to this driver, or to the one that the kernel prefers.
change_driver() {
    echo "$1" > "$disk/driver_override"
    basename "$disk" > "$disk/driver/unbind"
    basename "$disk" > /sys/bus/pci/drivers_probe
}
