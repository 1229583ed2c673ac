#!/bin/sh
# A backup that takes its time has the disk as it was at its start, although the guest writes all the while.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    truncate -s 32M disk
    qemu-img create -q -f qcow2 backup 32M
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename=disk \
        -blockdev driver=qcow2,node-name=backup,file.driver=file,file.filename=backup \
        -device virtio-blk-pci,drive=disk
    qemu-img check backup
    qemu-img convert -O raw backup raw
    has_pattern 1 raw 0
    has_pattern 2 raw 8
    test "$(dd if=raw bs=1M skip=16 count=1 | tr -d '\0' | wc -c)" = 0
    has_pattern 4 disk 8
    has_pattern 5 disk 16
}

in_guest() {
    put_pattern 1 /dev/vda 0
    put_pattern 2 /dev/vda 8
    # Slow enough that what follows comes while the job runs.
    qmp blockdev-backup job-id=backup device=disk target=backup sync=full speed=1
    put_pattern 3 /dev/vda 0
    put_pattern 4 /dev/vda 8
    put_pattern 5 /dev/vda 16
    qmp query-block-jobs | grep '"device":"backup"'
    qmp block-job-set-speed device=backup speed=0
    qmp_wait BLOCK_JOB_COMPLETED device=backup | grep -v error
    has_pattern 3 /dev/vda 0
    qmp blockdev-del node-name=backup
}
