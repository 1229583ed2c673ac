#!/bin/sh
# An LSI 53C8xx SCSI controller carries long requests from memory above 4 GiB, keeps data over a reset, and reports a flush that fails.
# Not on a pseries: there no command of the driver comes to an end, whichever byte order the guest has.
#: arch = ["x86_64", "aarch64", "riscv64"]
#: memory = "4G"
#: reboots = 1
#: timeout = "60s"
#: requires.devices = ["scsi-hd"]
#: choices.controller.devices = ["lsi53c810", "lsi53c895a"]

in_host() {
    controller=$(choose controller)
    truncate -s 16M "$SCRATCH/disk" "$SCRATCH/other"
    qemu -device "$controller" \
        -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" -device scsi-hd,drive=disk,scsi-id=0 \
        -blockdev '{"driver": "raw", "node-name": "other", "file": {"driver": "blkdebug",
            "inject-error": [{"event": "flush_to_disk", "errno": 5}],
            "image": {"driver": "file", "filename": "'"$SCRATCH/other"'"}}}' -device scsi-hd,drive=other,scsi-id=1
    has_pattern 1 "$SCRATCH/disk" 5
    has_pattern 3 "$SCRATCH/other" 2
}

in_guest() {
    wait_for "true < /dev/sda && true < /dev/sdb" 20
    if test "$BOOTS" = 0; then
        put_pattern 1 /dev/sda 5
        leave reboot
    fi
    has_pattern 1 /dev/sda 5
    # The disk returns 128 KiB at a time: longer requests continue within a part of the memory.
    pattern 2 > /tmp/data
    for size in 132 292; do
        head -c $((size * 1024)) /tmp/data > /tmp/part
        dd if=/tmp/part of=/dev/sda bs=${size}k count=1 seek=1 iflag=fullblock oflag=direct 2> /tmp/error ||
            fail "expected a write of $size KiB to succeed: $(cat /tmp/error)"
        dd if=/dev/sda of=/tmp/back bs=${size}k count=1 skip=1 iflag=direct 2> /tmp/error
        cmp /tmp/part /tmp/back || fail "expected $size KiB as they were written, found others"
    done
    pattern 3 | dd of=/dev/sdb bs=512k seek=4 iflag=fullblock oflag=direct 2> /tmp/error ||
        fail "expected a write to succeed: $(cat /tmp/error)"
    if dd if=/dev/null of=/dev/sdb conv=notrunc,fsync 2> /tmp/error; then
        fail "expected the flush to fail, but it succeeded"
    fi
}
