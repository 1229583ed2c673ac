#!/bin/sh
# A write past the threshold of an image gives an event, once; writes below it give none.
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" -device virtio-blk-pci,drive=disk
}

in_guest() {
    qmp block-set-write-threshold node-name=disk write-threshold=8388608
    put_pattern 1 /dev/vda 7
    qmp query-named-block-nodes | grep '"write_threshold":8388608'
    put_pattern 2 /dev/vda 8
    qmp_wait BLOCK_WRITE_THRESHOLD node-name=disk write-threshold=8388608
    qmp query-named-block-nodes | grep -v '"write_threshold":8388608'
    put_pattern 3 /dev/vda 12
    if qmp_wait BLOCK_WRITE_THRESHOLD --timeout 0; then
        fail "the threshold gave an event again"
    fi
}
