#!/bin/sh
# Block sizes and limits that a virtio disk was given are those that the guest's kernel works with.
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,discard=unmap,file.driver=file,file.filename="$SCRATCH/disk" \
        -device virtio-blk-pci,drive=disk,logical_block_size=4096,physical_block_size=8192,min_io_size=16384,opt_io_size=131072,discard_granularity=65536
}

in_guest() {
    cd /sys/block/vda/queue
    for limit in logical_block_size:4096 physical_block_size:8192 minimum_io_size:16384 optimal_io_size:131072 \
        discard_granularity:65536; do
        test "$(cat "${limit%:*}")" = "${limit#*:}" || fail "${limit%:*} is $(cat "${limit%:*}")"
    done
    test "$(blockdev --getsize64 /dev/vda)" = 16777216
    put_pattern 1 /dev/vda 4
    has_pattern 1 /dev/vda 4
}
