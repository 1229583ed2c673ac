#!/bin/sh
# What is written through a paravirtual SCSI controller is in the image, and a flush that fails is reported. Linux has its driver for x86 only.
#: arch = ["x86_64"]
#: requires.devices = ["pvscsi", "scsi-hd"]

in_host() {
    truncate -s 16M "$SCRATCH/disk" "$SCRATCH/other"
    qemu -device pvscsi \
        -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" -device scsi-hd,drive=disk,scsi-id=0 \
        -blockdev '{"driver": "raw", "node-name": "other", "file": {"driver": "blkdebug",
            "inject-error": [{"event": "flush_to_disk", "errno": 5}],
            "image": {"driver": "file", "filename": "'"$SCRATCH/other"'"}}}' -device scsi-hd,drive=other,scsi-id=1
    has_pattern 1 "$SCRATCH/disk" 5
    has_pattern 3 "$SCRATCH/other" 2
}

in_guest() {
    wait_for "true < /dev/sda && true < /dev/sdb"
    put_pattern 1 /dev/sda 5
    has_pattern 1 /dev/sda 5
    pattern 3 | dd of=/dev/sdb bs=512k seek=4 iflag=fullblock oflag=direct 2> /tmp/error ||
        fail "expected a write to succeed: $(cat /tmp/error)"
    if dd if=/dev/null of=/dev/sdb conv=notrunc,fsync 2> /tmp/error; then
        fail "expected the flush to fail, but it succeeded"
    fi
}
