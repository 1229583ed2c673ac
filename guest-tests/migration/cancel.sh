#!/bin/sh
# A migration that is cancelled, or whose destination is gone, leaves the guest running where it was.
#: requires.migration = true
#: requires.devices = ["virtio-blk-pci"]
#: requires.qemu = "8.2"

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" -device "virtio-blk-$KILN_VIRTIO,drive=disk"
    has_pattern 2 "$SCRATCH/disk" 8
}

in_guest() {
    put_pattern 1 /dev/vda 3
    # So slow that it does not end by itself.
    qmp migrate-set-parameters max-bandwidth=65536
    qmp migrate-set-capabilities 'capabilities=[{"capability": "events", "state": true}]'
    qmp migrate uri=file:state
    qmp_wait MIGRATION status=active
    qmp migrate_cancel
    qmp_wait MIGRATION status=cancelled
    put_pattern 2 /dev/vda 8
    # No process listens there.
    qmp migrate uri=unix:no-such-socket || true
    qmp_wait MIGRATION status=failed
    qmp query-status | grep '"status":"running"'
    has_pattern 1 /dev/vda 3
    has_pattern 2 /dev/vda 8
}
