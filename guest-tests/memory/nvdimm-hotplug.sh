#!/bin/sh
# An NVDIMM plugged into a running guest becomes a disk whose bytes are the host's file, and goes again.
#: arch = ["x86_64"]
#: groups = ["hotplug"]
#: requires.devices = ["nvdimm"]

in_host() {
    truncate -s 128M "$SCRATCH/nvdimm"
    echo from the host | dd of="$SCRATCH/nvdimm" conv=notrunc 2> /dev/null
    qemu -machine nvdimm=on -m 256M,slots=2,maxmem=1G \
        -object memory-backend-file,id=mem0,share=on,mem-path="$SCRATCH/nvdimm",size=128M
    test "$(dd if="$SCRATCH/nvdimm" bs=1M skip=99 count=1 | head -n 1)" = "from the guest"
}

in_guest() {
    test ! -e /dev/pmem0
    qmp device_add driver=nvdimm id=nv0 memdev=mem0
    wait_for "true < /dev/pmem0"
    test "$(head -n 1 /dev/pmem0)" = "from the host"
    echo from the guest | dd of=/dev/pmem0 bs=1M seek=99 conv=fsync,sync
}
