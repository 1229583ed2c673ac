#!/bin/sh
# A disk behind an emulated VT-d is translated by it, and gives back what was written to it.
#: arch = ["x86_64"]
#: requires.devices = ["intel-iommu", "virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -append intel_iommu=on -device intel-iommu -drive if=none,id=d0,file="$SCRATCH/disk",format=raw \
        -device virtio-blk-pci,drive=d0,iommu_platform=on,disable-legacy=on
    test "$(dd if="$SCRATCH/disk" bs=64k skip=255 count=1 | head -n 1)" = "through the IOMMU"
}

in_guest() {
    # VIRTIO_F_ACCESS_PLATFORM: without it the device would go around the IOMMU.
    test "$(cut -c34 /sys/block/vda/device/features)" = 1
    disk=$(readlink -f /sys/block/vda/device/..)
    test -e "$disk/iommu_group" || fail "the disk is in no IOMMU group"
    grep -q '^DMA' "$disk/iommu_group/type"
    dd if=/dev/urandom of=/tmp/data bs=64k count=64
    dd if=/tmp/data of=/dev/vda bs=64k seek=7 conv=fsync
    echo through the IOMMU | dd of=/dev/vda bs=64k seek=255 conv=fsync,sync
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/vda bs=64k skip=7 count=64 | cmp - /tmp/data
}
