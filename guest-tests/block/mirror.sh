#!/bin/sh
# While the guest writes, its disk is mirrored to another image and continues there; the old image no longer changes.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]
#: choices.copy-mode = ["background", "write-blocking"]

in_host() {
    cd "$SCRATCH"
    truncate -s 32M old
    put_pattern 1 old 0
    put_pattern 2 old 31
    qemu-img create -q -f qcow2 new 32M
    qemu -blockdev driver=raw,node-name=old,file.driver=file,file.filename=old \
        -blockdev driver=qcow2,node-name=new,file.driver=file,file.filename=new \
        -device virtio-blk-pci,drive=old
    for part in 1:0 4:8 3:31; do
        has_pattern "${part%:*}" old "${part#*:}"
    done
    qemu-img check new
    qemu-img convert -O raw new raw
    for part in 1:0 4:8 3:31 5:16; do
        has_pattern "${part%:*}" raw "${part#*:}"
    done
    ! has_pattern 5 old 16
}

in_guest() {
    mode=$(choose copy-mode)
    # Slow enough that what follows comes while the job runs.
    qmp blockdev-mirror job-id=mirror device=old target=new sync=full speed=1 copy-mode="$mode"
    put_pattern 3 /dev/vda 31
    put_pattern 4 /dev/vda 8
    qmp query-block-jobs | grep '"ready":false'
    qmp block-job-set-speed device=mirror speed=0
    qmp_wait BLOCK_JOB_READY device=mirror
    qmp block-job-complete device=mirror
    qmp_wait BLOCK_JOB_COMPLETED device=mirror | grep -v error
    put_pattern 5 /dev/vda 16
    for part in 1:0 4:8 3:31 5:16; do
        has_pattern "${part%:*}" /dev/vda "${part#*:}"
    done
}
