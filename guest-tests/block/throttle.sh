#!/bin/sh
# Two disks of one throttle group share its limit: by QEMU's own account their writes waited for as long as that demands.
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    truncate -s 16M "$SCRATCH/a" "$SCRATCH/b"
    qemu -object throttle-group,id=slow,x-iops-write=50 \
        -blockdev driver=raw,node-name=a-raw,file.driver=file,file.filename="$SCRATCH/a" \
        -blockdev driver=raw,node-name=b-raw,file.driver=file,file.filename="$SCRATCH/b" \
        -blockdev driver=throttle,throttle-group=slow,node-name=a,file=a-raw \
        -blockdev driver=throttle,throttle-group=slow,node-name=b,file=b-raw \
        -device virtio-blk-pci,drive=a -device virtio-blk-pci,drive=b
}

in_guest() {
    writers=
    for disk in vda vdb; do
        for block in $(seq 30); do
            dd if=/dev/zero of=/dev/$disk bs=4k seek="$block" count=1 conv=fsync status=none
        done &
        writers="$writers $!"
    done
    for writer in $writers; do
        wait "$writer"
    done
    # 60 writes at 50 a second, of which 5 may come at once, take more than a second; each disk waits for most of it.
    qmp query-blockstats | grep -o '"wr_total_time_ns":[0-9]*' | sort -t : -k 2 -n | tail -n 2 > /tmp/waited
    cat /tmp/waited
    while IFS=: read -r _ nanoseconds; do
        test "$nanoseconds" -ge 500000000
    done < /tmp/waited
}
