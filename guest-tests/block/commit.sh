#!/bin/sh
# While the guest writes, its overlay is committed into the base and left: the base has it all, also what came meanwhile.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    truncate -s 32M base
    put_pattern 1 base 0
    qemu-img create -q -f qcow2 -b base -F raw top
    qemu -blockdev driver=raw,node-name=base,file.driver=file,file.filename=base \
        -blockdev driver=qcow2,node-name=top,file.driver=file,file.filename=top,backing=base \
        -device virtio-blk-pci,id=vd,drive=top
    for part in 1:0 2:4 6:8 4:12 5:20; do
        has_pattern "${part%:*}" base "${part#*:}"
    done
}

in_guest() {
    put_pattern 2 /dev/vda 4
    put_pattern 3 /dev/vda 8
    # Slow enough that what follows comes while the job runs.
    qmp block-commit job-id=commit device=top speed=1
    put_pattern 4 /dev/vda 12
    put_pattern 6 /dev/vda 8
    qmp query-block-jobs | grep '"ready":false'
    qmp block-job-set-speed device=commit speed=0
    qmp_wait BLOCK_JOB_READY device=commit
    qmp block-job-complete device=commit
    qmp_wait BLOCK_JOB_COMPLETED device=commit | grep -v error
    qmp query-block | grep '"node-name":"base"'
    put_pattern 5 /dev/vda 20
    for part in 1:0 2:4 6:8 4:12 5:20; do
        has_pattern "${part%:*}" /dev/vda "${part#*:}"
    done
}
