#!/bin/sh
# An image that grows on a volume that is full pauses the machine; a larger volume lets it continue, and nothing is lost.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    qemu-img create -f qcow2 "$SCRATCH/image" 16M
    # A logical volume, as it were: what is behind 1 MiB is not part of it yet.
    truncate -s 32M "$SCRATCH/image"
    qemu -blockdev driver=file,node-name=disks,filename="$SCRATCH/image" \
        -blockdev driver=raw,node-name=volume,file=disks,size=1048576 \
        -blockdev driver=qcow2,node-name=disk,file=volume -device virtio-blk-pci,drive=disk &
    guest=$!
    wait_for 'qmp query-status'
    qmp_wait BLOCK_IO_ERROR nospace=true action=stop
    wait_for 'qmp query-status | grep io-error'
    qmp query-block | grep '"io-status":"nospace"'
    qmp blockdev-reopen 'options=[{"driver": "raw", "node-name": "volume", "file": "disks", "size": 33554432}]'
    qmp cont
    wait "$guest"
    qemu-img check "$SCRATCH/image"
    qemu-img convert -O raw "$SCRATCH/image" "$SCRATCH/raw"
    has_pattern 1 "$SCRATCH/raw" 3
    has_pattern 2 "$SCRATCH/raw" 7
    has_pattern 3 "$SCRATCH/raw" 11
}

in_guest() {
    put_pattern 1 /dev/vda 3
    put_pattern 2 /dev/vda 7
    put_pattern 3 /dev/vda 11
    has_pattern 2 /dev/vda 7
}
