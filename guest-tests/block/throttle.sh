#!/bin/sh
# Two disks of one throttle group share its limit: together they are written no faster than it allows.
#: requires.devices = ["virtio-blk-pci"]
#: timing = true

in_host() {
    truncate -s 16M "$SCRATCH/a" "$SCRATCH/b"
    qemu -object throttle-group,id=slow,x-bps-write=1048576 \
        -blockdev driver=raw,node-name=a-raw,file.driver=file,file.filename="$SCRATCH/a" \
        -blockdev driver=raw,node-name=b-raw,file.driver=file,file.filename="$SCRATCH/b" \
        -blockdev driver=throttle,throttle-group=slow,node-name=a,file=a-raw \
        -blockdev driver=throttle,throttle-group=slow,node-name=b,file=b-raw \
        -device virtio-blk-pci,drive=a -device virtio-blk-pci,drive=b
}

in_guest() {
    pattern 1 > /tmp/data
    pattern 2 >> /tmp/data
    before=$(hundredths)
    writers=
    for disk in vda vdb; do
        dd if=/tmp/data of=/dev/$disk bs=512k seek=4 conv=fsync status=none &
        writers="$writers $!"
    done
    for writer in $writers; do
        wait "$writer"
    done
    # 2 MiB at 1 MiB a second, less a tenth of a second's worth that may come at once, and less the last request, one disk's
    # mebibyte at most, which is let through when those before it have been paid for.
    test $(($(hundredths) - before)) -ge 85 || fail "faster than the limit"
    has_pattern 1 /dev/vda 2
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/vdb bs=512k skip=4 count=2 | cmp - /tmp/data
}

# Of a second, since the guest started.
hundredths() {
    awk '{ print int($1 * 100) }' /proc/uptime
}
