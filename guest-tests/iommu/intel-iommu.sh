#!/bin/sh
# A disk behind an emulated VT-d is translated by it, and gives back what was written to it.
#: arch = ["x86_64"]
#: requires.devices = ["intel-iommu", "virtio-blk-pci"]
#: start = "cold"

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -append intel_iommu=on -device intel-iommu -drive if=none,id=d0,file="$SCRATCH/disk",format=raw \
        -device virtio-blk-pci,drive=d0,iommu_platform=on,disable-legacy=on
    test "$(dd if="$SCRATCH/disk" bs=64k skip=255 count=1 | head -n 1)" = "through the IOMMU"
}

in_guest() {
    disk_behind_iommu
}
