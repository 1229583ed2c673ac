#!/bin/sh
# A block that can be neither read nor written gives the guest I/O errors; its neighbours do not, and the guest runs on.
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    # In the 80th block of 64 KiB: the guest's largest page.
    qemu -blockdev '{"driver": "raw", "node-name": "disk", "file": {"driver": "blkdebug",
            "inject-error": [{"event": "none", "iotype": "read", "sector": 10260, "errno": 5},
                             {"event": "none", "iotype": "write", "sector": 10260, "errno": 5}],
            "image": {"driver": "file", "filename": "'"$SCRATCH/disk"'"}}}' \
        -device virtio-blk-pci,drive=disk,werror=report,rerror=report
}

in_guest() {
    echo 0 > /sys/block/vda/queue/read_ahead_kb
    for block in 79 81; do
        seq "${block}0000" "${block}9999" | head -c 65536 > /tmp/data
        dd if=/tmp/data of=/dev/vda bs=64k seek="$block" conv=fsync
        echo 3 > /proc/sys/vm/drop_caches
        dd if=/dev/vda bs=64k skip="$block" count=1 | cmp - /tmp/data
    done
    if dd if=/tmp/data of=/dev/vda bs=64k seek=80 conv=fsync 2> /tmp/error; then
        fail "the write went through"
    fi
    grep 'I/O error' /tmp/error
    echo 3 > /proc/sys/vm/drop_caches
    if dd if=/dev/vda of=/dev/null bs=4k skip=1282 count=1 2> /tmp/error; then
        fail "the read went through"
    fi
    grep 'I/O error' /tmp/error
    qmp query-status | grep '"running":true'
    qmp_wait BLOCK_IO_ERROR node-name=disk operation=write action=report
    qmp_wait BLOCK_IO_ERROR node-name=disk operation=read action=report
}
