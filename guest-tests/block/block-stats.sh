#!/bin/sh
# QEMU's counters of a disk count each byte and flush that the guest asks for.
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" -device virtio-blk-pci,drive=disk
}

# By how much this counter of the disk grew since it was asked for.
grown() {
    eval "test \$(($(counter "$1") - ${1}_before)) = $2" || fail "$1 did not grow by $2"
}

counter() {
    qmp query-blockstats | sed "s/.*\"$1\":\([0-9]*\).*/\1/"
}

in_guest() {
    echo 0 > /sys/block/vda/queue/read_ahead_kb
    for name in rd_bytes wr_bytes flush_operations; do
        eval "${name}_before=\$(counter $name)"
    done
    put_pattern 1 /dev/vda 3
    grown wr_bytes 524288
    grown flush_operations 1
    has_pattern 1 /dev/vda 3
    grown rd_bytes 524288
}
