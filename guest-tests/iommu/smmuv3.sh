#!/bin/sh
# A disk behind the SMMUv3 of virt is translated by it, and gives back what was written to it.
#: arch = ["aarch64"]
#: requires.devices = ["virtio-blk-pci"]
#: start = "cold"

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -machine iommu=smmuv3 -drive if=none,id=d0,file="$SCRATCH/disk",format=raw \
        -device virtio-blk-pci,drive=d0,iommu_platform=on,disable-legacy=on
    test "$(dd if="$SCRATCH/disk" bs=64k skip=255 count=1 | head -n 1)" = "through the IOMMU"
}

in_guest() {
    disk_behind_iommu
}
