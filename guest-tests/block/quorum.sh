#!/bin/sh
# A quorum of three images outvotes a corrupt one, names it, and repairs it if configured to.
#: start = "cold"
#: requires.devices = ["virtio-blk-pci"]

in_host() {
    # While it waits for a saved guest, QEMU refuses to open a quorum that rewrites: its images are inactive.
    cd "$SCRATCH"
    truncate -s 16M a b c
    put_pattern 1 a 4
    put_pattern 1 b 4
    put_pattern 2 c 4
    qemu -blockdev '{"driver": "quorum", "node-name": "disk", "vote-threshold": 2, "rewrite-corrupted": true, "children": [
            {"driver": "raw", "node-name": "a", "file": {"driver": "file", "filename": "a"}},
            {"driver": "raw", "node-name": "b", "file": {"driver": "file", "filename": "b"}},
            {"driver": "raw", "node-name": "c", "file": {"driver": "file", "filename": "c"}}]}' \
        -device virtio-blk-pci,drive=disk
    for image in a b c; do
        has_pattern 1 $image 4
        has_pattern 3 $image 8
    done
}

in_guest() {
    has_pattern 1 /dev/vda 4
    qmp_wait QUORUM_REPORT_BAD node-name=c type=read
    put_pattern 3 /dev/vda 8
    has_pattern 3 /dev/vda 8
}
