#!/bin/sh
# With copy-on-read, what the guest reads of the backing image is in its overlay afterwards, and nothing else.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    truncate -s 16M base
    put_pattern 1 base 4
    put_pattern 2 base 8
    qemu-img create -q -f qcow2 -b base -F raw top
    qemu -blockdev driver=qcow2,node-name=top,file.driver=file,file.filename=top \
        -blockdev driver=copy-on-read,node-name=disk,file=top -device virtio-blk-pci,drive=disk
    qemu-img map --output=json top > layout
    grep '"start": 4194304, "length": 524288, "depth": 0' layout
    grep '"start": 8388608, "length": 524288, "depth": 1' layout
}

in_guest() {
    echo 0 > /sys/block/vda/queue/read_ahead_kb
    has_pattern 1 /dev/vda 4
    # What was copied is on the disk once the guest flushes.
    dd if=/dev/zero of=/dev/vda bs=64k seek=255 count=1 conv=fsync
}
