#!/bin/sh
# QEMU exports a guest's disk by NBD: another client reads what the guest wrote and the guest what that client wrote.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img", "qemu-io"]

in_host() {
    cd "$SCRATCH"
    truncate -s 16M disk
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename=disk \
        -device virtio-blk-pci,drive=disk,share-rw=on &
    guest=$!
    wait_for 'qmp query-block-exports | grep \"shutting-down\":false'
    qemu-img convert -O raw "nbd+unix:///disk?socket=$SCRATCH/socket" copy
    has_pattern 1 copy 4
    pattern 2 > second
    qemu-io -f raw -c "write -s second 8M 512k" -c flush "nbd+unix:///disk?socket=$SCRATCH/socket"
    qmp block-export-del id=export
    qmp_wait BLOCK_EXPORT_DELETED id=export
    wait "$guest"
}

in_guest() {
    put_pattern 1 /dev/vda 4
    qmp nbd-server-start addr.type=unix addr.data.path=socket
    qmp block-export-add type=nbd id=export node-name=disk name=disk writable=true
    wait_for "qmp query-block-exports | grep '^\[\]'"
    has_pattern 2 /dev/vda 8
    has_pattern 1 /dev/vda 4
}
