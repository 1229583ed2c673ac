#!/bin/sh
# Persistent memory of a pseries guest is a disk once it has a namespace, and its bytes are the host's file.
#: arch = ["ppc64", "ppc64le"]
#: requires.devices = ["nvdimm"]

in_host() {
    # The label is in the file too, behind the memory.
    size=$(((512 << 20) + (128 << 10)))
    truncate -s "$size" "$SCRATCH/nvdimm"
    echo from the host | dd of="$SCRATCH/nvdimm" bs=1M seek=99 conv=notrunc 2> /dev/null
    qemu -machine nvdimm=on -m 256M,slots=2,maxmem=2G \
        -object memory-backend-file,id=mem0,share=on,size=$size,mem-path="$SCRATCH/nvdimm" \
        -device nvdimm,memdev=mem0,label-size=128k,uuid=75a3cdd7-6a2f-4791-8d15-fe0a920e8e9e
}

in_guest() {
    cd /sys/bus/nd/devices
    wait_for "test -e region0/available_size"
    test "$(cat region0/available_size)" = $((512 << 20))
    # What ndctl does for `create-namespace --mode raw`.
    namespace=$(cat region0/namespace_seed)
    echo 3f1bd7a4-2f0a-4f9e-9b1e-000000004711 > "$namespace/uuid"
    echo $((256 << 20)) > "$namespace/size"
    echo "$namespace" > /sys/bus/nd/drivers/nd_pmem/bind
    wait_for "true < /dev/pmem0"
    test "$(blockdev --getsize64 /dev/pmem0)" = $((256 << 20))
    test "$(cat region0/available_size)" = $((256 << 20))
    # Not written: TCG takes `dcbstps`, by which Linux writes such memory back, for an illegal instruction.
    test "$(dd if=/dev/pmem0 bs=1M skip=99 count=1 | head -n 1)" = "from the host"
}
