#!/bin/sh
# A virtio disk with a queue for each processor: writes from each, at once, all arrive.
#: smp = 4
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" \
        -device virtio-blk-pci,drive=disk,num-queues=4
    for cpu in 0 1 2 3; do
        has_pattern $((cpu + 1)) "$SCRATCH/disk" $((cpu * 4))
    done
}

in_guest() {
    test "$(cat /sys/block/vda/mq/*/cpu_list | sort | tr '\n' ' ')" = "0 1 2 3 "
    for cpu in 0 1 2 3; do
        pattern $((cpu + 1)) > "/tmp/pattern-$cpu"
    done
    writers=
    for cpu in 0 1 2 3; do
        taskset -c "$cpu" dd if="/tmp/pattern-$cpu" of=/dev/vda bs=64k seek=$((cpu * 64)) conv=fsync &
        writers="$writers $!"
    done
    for writer in $writers; do
        wait "$writer"
    done
    for cpu in 0 1 2 3; do
        has_pattern $((cpu + 1)) /dev/vda $((cpu * 4))
    done
    # Each queue has had interrupts of its own.
    test "$(grep -c 'virtio[0-9]*-req\.' /proc/interrupts)" = 4
    grep 'virtio[0-9]*-req\.' /proc/interrupts
}
