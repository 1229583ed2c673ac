#!/bin/sh
# A disk behind an emulated AMD IOMMU has its interrupts remapped by it, and gives back what was written to it.
#: arch = ["x86_64"]
#: requires.devices = ["amd-iommu", "virtio-blk-pci"]
#: start = "cold"

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    # Pass-through, because QEMU's AMD IOMMU translates no DMA of emulated devices by default.
    qemu -append iommu=pt -device amd-iommu,intremap=on \
        -drive if=none,id=d0,file="$SCRATCH/disk",format=raw \
        -device virtio-blk-pci,drive=d0,iommu_platform=on,disable-legacy=on
}

in_guest() {
    # VIRTIO_F_ACCESS_PLATFORM: without it the device would go around the IOMMU.
    test "$(cut -c34 /sys/block/vda/device/features)" = 1
    disk=$(readlink -f /sys/block/vda/device/..)
    test "$(cat "$disk/iommu_group/type")" = identity
    grep -q 'IR-PCI-MSIX-.*virtio.*-req' /proc/interrupts
    dd if=/dev/urandom of=/tmp/data bs=64k count=64
    dd if=/tmp/data of=/dev/vda bs=64k seek=7 conv=fsync
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/vda bs=64k skip=7 count=64 | cmp - /tmp/data
}
