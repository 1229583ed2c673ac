#!/bin/sh
# A disk that the host half plugs and unplugs comes to the guest and goes again.
#: requires.devices = ["virtio-blk-pci"]
#: slots = 1

in_host() {
    truncate -s 8M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=d0,file.driver=file,file.filename="$SCRATCH/disk" &
    guest=$!
    wait_ready
    id=$(plug virtio-blk-pci drive=d0 serial=from-host)
    post plugged "$id"
    await used
    unplug "$id"
    post gone
    wait "$guest"
}

in_guest() {
    id=$(await plugged)
    plugged "$id"
    wait_for "grep -x from-host /sys/block/vda/serial"
    echo hello > /dev/vda
    post used
    release "$id"
    await gone 30
    wait_for "test ! -e /sys/block/vda"
}
