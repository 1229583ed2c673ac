#!/bin/sh
# A chain of images shows the topmost content of each cluster; writes go to the top, and what is below stays as it was.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    truncate -s 16M base
    put_pattern 1 base 0
    put_pattern 2 base 4
    put_pattern 3 base 8
    cp base changed
    put_pattern 4 changed 4
    qemu-img create -q -f qcow2 -b changed -F raw middle
    qemu-img rebase -b base -F raw middle
    # Larger than what is under it, in clusters of another size.
    qemu-img create -q -f qcow2 -o cluster_size=4k -b middle -F qcow2 top 20M
    sha256sum base middle > sums
    qemu -blockdev driver=qcow2,node-name=disk,file.driver=file,file.filename=top -device virtio-blk-pci,drive=disk
    sha256sum -c sums
    qemu-img check top
    qemu-img convert -O raw top raw
    for part in 1:0 4:4 5:8 6:18; do
        has_pattern "${part%:*}" raw "${part#*:}"
    done
}

in_guest() {
    test "$(blockdev --getsize64 /dev/vda)" = 20971520
    has_pattern 1 /dev/vda 0
    has_pattern 4 /dev/vda 4
    has_pattern 3 /dev/vda 8
    test "$(dd if=/dev/vda bs=1M skip=16 | tr -d '\0' | wc -c)" = 0
    # Less than a cluster: the rest of it comes from below.
    dd if=/dev/zero of=/dev/vda bs=512 seek=16385 count=1 conv=fsync
    pattern 3 > /tmp/expected
    dd if=/dev/zero of=/tmp/expected bs=512 seek=1 count=1 conv=notrunc
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/vda bs=64k skip=128 count=8 | cmp - /tmp/expected
    put_pattern 5 /dev/vda 8
    put_pattern 6 /dev/vda 18
    has_pattern 5 /dev/vda 8
    has_pattern 6 /dev/vda 18
}
