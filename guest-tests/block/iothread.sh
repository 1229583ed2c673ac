#!/bin/sh
# Disks in I/O threads, one of them in two, are written at the same time, and QEMU can pause and snapshot them meanwhile.
#: smp = 2
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd"]
#: requires.qemu = "9.0"

in_host() {
    cd "$SCRATCH"
    truncate -s 16M a b c
    qemu -object iothread,id=t0 -object iothread,id=t1 \
        -blockdev driver=raw,node-name=a,file.driver=file,file.filename=a \
        -blockdev driver=raw,node-name=b,file.driver=file,file.filename=b \
        -blockdev driver=raw,node-name=c,file.driver=file,file.filename=c \
        -device '{"driver": "virtio-blk-pci", "drive": "a", "num-queues": 4,
            "iothread-vq-mapping": [{"iothread": "t0"}, {"iothread": "t1"}]}' \
        -device '{"driver": "virtio-blk-pci", "drive": "b", "iothread": "t0"}' \
        -device '{"driver": "virtio-scsi-pci", "iothread": "t1"}' -device '{"driver": "scsi-hd", "drive": "c"}'
    has_pattern 1 a 3
    has_pattern 2 b 3
    has_pattern 3 c 3
}

in_guest() {
    qmp query-iothreads | grep '"id":"t0".*"id":"t1"'
    wait_for "true < /dev/sda"
    writers=
    for part in 1:vda 2:vdb 3:sda; do
        put_pattern "${part%:*}" "/dev/${part#*:}" 3 &
        writers="$writers $!"
    done
    # The disk is drained and its graph changed while it is written.
    qmp blockdev-snapshot-sync node-name=b snapshot-file=b.later snapshot-node-name=later format=qcow2
    qmp block-commit job-id=commit device=later
    qmp_wait BLOCK_JOB_READY device=commit
    qmp block-job-complete device=commit
    qmp_wait BLOCK_JOB_COMPLETED device=commit | grep -v error
    for writer in $writers; do
        wait "$writer"
    done
    for part in 1:vda 2:vdb 3:sda; do
        has_pattern "${part%:*}" "/dev/${part#*:}" 3
    done
}
