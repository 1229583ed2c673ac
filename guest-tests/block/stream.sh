#!/bin/sh
# While the guest writes, its backing image is streamed into its overlay, which then stands alone.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    truncate -s 32M base
    for part in 1:0 2:4 3:8 4:31; do
        put_pattern "${part%:*}" base "${part#*:}"
    done
    qemu-img create -q -f qcow2 -b base -F raw top
    qemu -blockdev driver=qcow2,node-name=top,file.driver=file,file.filename=top -device virtio-blk-pci,drive=top
    rm base
    qemu-img check top
    qemu-img convert -O raw top raw
    for part in 1:0 5:4 3:8 6:16 4:31; do
        has_pattern "${part%:*}" raw "${part#*:}"
    done
}

in_guest() {
    # Slow enough that what follows comes while the job runs.
    qmp block-stream job-id=stream device=top speed=1
    put_pattern 5 /dev/vda 4
    qmp query-block-jobs | grep '"device":"stream"'
    qmp block-job-set-speed device=stream speed=0
    qmp_wait BLOCK_JOB_COMPLETED device=stream | grep -v error
    put_pattern 6 /dev/vda 16
    qmp query-block | grep '"backing_file_depth":0'
    for part in 1:0 5:4 3:8 6:16 4:31; do
        has_pattern "${part%:*}" /dev/vda "${part#*:}"
    done
}
