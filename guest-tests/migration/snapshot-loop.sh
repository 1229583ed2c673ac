#!/bin/sh
# A guest that is put back to a snapshot three times, each time in the middle of its test, passes.
#: requires.migration = true
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]
#: timeout = "60s"

in_host() {
    qemu-img create -q -f qcow2 "$SCRATCH/disk" 64M
    qemu -drive if=none,id=d0,file="$SCRATCH/disk",format=qcow2 -device "virtio-blk-$KILN_VIRTIO,drive=d0" &
    wait_ready
    await one
    hmp savevm s
    for _ in 1 2 3; do
        sleep 1
        hmp loadvm s
    done
    wait
}

in_guest() {
    post one
    n=0
    while test $n -lt 40; do
        echo "tick $n"
        n=$((n + 1))
        usleep 100000
    done
}
