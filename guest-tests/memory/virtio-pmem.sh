#!/bin/sh
# What the guest writes to persistent memory and flushes is in the host's file, and was there to read before.
#: arch = ["x86_64", "aarch64"]
#: requires.devices = ["virtio-pmem-pci"]

in_host() {
    truncate -s 128M "$SCRATCH/pmem"
    echo from the host | dd of="$SCRATCH/pmem" conv=notrunc 2> /dev/null
    qemu -m 256M,maxmem=1G \
        -object memory-backend-file,id=mem0,share=on,mem-path="$SCRATCH/pmem",size=128M \
        -device virtio-pmem-pci,memdev=mem0
    test "$(dd if="$SCRATCH/pmem" bs=1M skip=99 count=1 | head -n 1)" = "from the guest"
}

in_guest() {
    wait_for "true < /dev/pmem0"
    test "$(blockdev --getsize64 /dev/pmem0)" = 134217728
    test "$(head -n 1 /dev/pmem0)" = "from the host"
    echo from the guest | dd of=/dev/pmem0 bs=1M seek=99 conv=fsync,sync
}
