#!/bin/sh
# A guest that writes to its disk and its memory migrates to another QEMU, and neither loses anything.
#: requires.migration = true
#: requires.devices = ["virtio-blk-pci"]
#: timeout = "60s"
#: choices.transport = ["unix", "multifd"]

in_host() {
    transport=$(choose transport)
    truncate -s 32M "$SCRATCH/disk"
    set -- -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" -device "virtio-blk-$KILN_VIRTIO,drive=disk"
    qemu -name source "$@" &
    source=$!
    wait_ready -g source
    qemu -name destination "$@" -incoming defer &
    destination=$!
    if test "$transport" = multifd; then
        for guest in source destination; do
            qmp -g $guest migrate-set-capabilities 'capabilities=[{"capability": "multifd", "state": true}]'
        done
    fi
    qmp -g destination migrate-incoming uri="unix:$SCRATCH/socket"
    qmp -g source migrate uri="unix:$SCRATCH/socket"
    wait_ready -g destination
    qmp -g source query-migrate | grep '"status":"completed"'
    qmp -g source query-status | grep '"status":"postmigrate"'
    qmp -g destination query-status | grep '"status":"running"'
    qmp -g source quit
    wait "$source"
    wait "$destination"
    for round in 1 2; do
        has_pattern $round "$SCRATCH/disk" $((round * 3))
    done
}

in_guest() {
    # Enough rounds that some are before, some while and some after it migrates.
    until qmp query-name | grep destination; do
        rewrite
    done
    rewrite
    for round in 1 2; do
        has_pattern $round /dev/vda $((round * 3))
        pattern $round | cmp - /tmp/memory-$round
    done
}

rewrite() {
    for round in 1 2; do
        pattern $round > /tmp/memory-$round
        put_pattern $round /dev/vda $((round * 3))
    done
}
