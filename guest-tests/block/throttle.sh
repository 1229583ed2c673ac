#!/bin/sh
# Two disks of one throttle group share its limit: together they are written no faster than it allows.
#: requires.devices = ["virtio-blk-pci"]

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
    before=$(hundredths)
    writers=
    for disk in vda vdb; do
        { put_pattern 1 /dev/$disk 2 && put_pattern 2 /dev/$disk 8; } &
        writers="$writers $!"
    done
    for writer in $writers; do
        wait "$writer"
    done
    # 2 MiB at 1 MiB a second, less a tenth of a second's worth that may come at once, and less the last request, half a
    # mebibyte at most, which is let through when those before it have been paid for.
    test $(($(hundredths) - before)) -ge 135 || fail "faster than the limit"
    has_pattern 1 /dev/vda 2
    has_pattern 2 /dev/vdb 8
}

# Of a second, since the guest started.
hundredths() {
    tr -d . < /proc/uptime | cut -d ' ' -f 1
}
