#!/bin/sh
# A guest is migrated to a file, its QEMU ends, and another QEMU resumes it from the file.
#: requires.migration = true
#: requires.devices = ["virtio-blk-pci"]
#: requires.qemu = "8.2"

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    set -- -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" -device "virtio-blk-$KILN_VIRTIO,drive=disk"
    qemu -name source "$@" &
    source=$!
    # The guest writes this after its memory.
    wait_for "test -s $SCRATCH/disk && has_pattern 1 $SCRATCH/disk 3"
    qmp migrate uri="file:$SCRATCH/state"
    qmp_wait STOP
    wait_for 'qmp query-migrate | grep completed'
    qmp quit
    wait "$source"
    qemu -name destination "$@" -incoming "file:$SCRATCH/state"
    has_pattern 2 "$SCRATCH/disk" 8
}

in_guest() {
    pattern 5 > /tmp/memory
    before=$(cat /proc/sys/kernel/random/boot_id)
    put_pattern 1 /dev/vda 3
    wait_for 'qmp query-name | grep destination' 20
    test "$(cat /proc/sys/kernel/random/boot_id)" = "$before"
    pattern 5 | cmp - /tmp/memory
    has_pattern 1 /dev/vda 3
    put_pattern 2 /dev/vda 8
    has_pattern 2 /dev/vda 8
}
