#!/bin/sh
# A write that fails pauses the machine and is done again when it continues: the guest never hears of it.
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    # The first request that writes to this sector, inside what the guest writes, and no later one.
    qemu -blockdev '{"driver": "raw", "node-name": "disk", "file": {"driver": "blkdebug",
            "inject-error": [{"event": "none", "iotype": "write", "sector": 10260, "errno": 5, "once": true}],
            "image": {"driver": "file", "filename": "'"$SCRATCH/disk"'"}}}' \
        -device virtio-blk-pci,drive=disk,werror=stop &
    guest=$!
    wait_for 'qmp query-status'
    qmp_wait BLOCK_IO_ERROR node-name=disk operation=write action=stop
    wait_for 'qmp query-status | grep io-error'
    qmp query-block | grep '"io-status":"failed"'
    qmp cont
    wait "$guest"
    has_pattern 1 "$SCRATCH/disk" 5
}

in_guest() {
    put_pattern 1 /dev/vda 5
    has_pattern 1 /dev/vda 5
}
