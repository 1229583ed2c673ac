#!/bin/sh
# While a guest has an image for writing, neither another QEMU nor qemu-img may write to it.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    truncate -s 16M disk
    qemu -name first -blockdev driver=raw,node-name=disk,file.driver=file,file.filename=disk \
        -device virtio-blk-pci,drive=disk &
    guest=$!
    wait_ready -g first
    expect_fail qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename=disk \
        -device virtio-blk-pci,drive=disk | grep 'Failed to get "write" lock'
    if qemu-img resize -f raw disk 32M 2> error; then
        fail "qemu-img resized the guest's disk"
    fi
    grep 'lock' error
    test "$(stat -c %s disk)" = 16777216
    qmp -g first block_resize node-name=disk size=20971520
    wait "$guest"
    qemu-img resize -q -f raw disk 32M
}

in_guest() {
    wait_for 'cat /sys/block/vda/size | grep -x 40960' 20
}
