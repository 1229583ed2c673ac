#!/bin/sh
# An NVDIMM is a disk in the guest whose bytes are the host's file.
#: arch = ["x86_64"]
#: requires.devices = ["nvdimm"]

in_host() {
    truncate -s 128M "$SCRATCH/nvdimm"
    echo from the host | dd of="$SCRATCH/nvdimm" conv=notrunc 2> /dev/null
    qemu -machine nvdimm=on -m 256M,slots=2,maxmem=1G \
        -object memory-backend-file,id=mem0,share=on,mem-path="$SCRATCH/nvdimm",size=128M \
        -device nvdimm,memdev=mem0
    test "$(dd if="$SCRATCH/nvdimm" bs=1M skip=99 count=1 | head -n 1)" = "from the guest"
}

in_guest() {
    wait_for "true < /dev/pmem0"
    test "$(blockdev --getsize64 /dev/pmem0)" = 134217728
    test "$(head -n 1 /dev/pmem0)" = "from the host"
    echo from the guest | dd of=/dev/pmem0 bs=1M seek=99 conv=fsync,sync
}
