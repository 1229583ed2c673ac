#!/bin/sh
# A disk behind a virtio IOMMU is translated by it, and gives back what was written to it.
#: arch = ["x86_64", "aarch64"]
#: requires.devices = ["virtio-iommu-pci", "virtio-blk-pci"]
#: start = "cold"

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -device virtio-iommu-pci -drive if=none,id=d0,file="$SCRATCH/disk",format=raw \
        -device virtio-blk-pci,drive=d0,iommu_platform=on,disable-legacy=on
    test "$(dd if="$SCRATCH/disk" bs=64k skip=255 count=1 | head -n 1)" = "through the IOMMU"
}

in_guest() {
    disk_behind_iommu
}
