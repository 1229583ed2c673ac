#!/bin/sh
# Three namespaces of one NVMe controller, of two block sizes, each have their own size and content.
#: requires.devices = ["nvme", "nvme-ns"]

in_host() {
    cd "$SCRATCH"
    for n in 1 2 3; do
        truncate -s "$((n * 8))M" "$n"
        set -- "$@" -blockdev "driver=raw,node-name=n$n,file.driver=file,file.filename=$n"
    done
    qemu "$@" -device nvme,id=nvme,serial=kiln -device nvme-ns,bus=nvme,nsid=1,drive=n1 -device nvme-ns,bus=nvme,nsid=2,drive=n2 \
        -device nvme-ns,bus=nvme,nsid=7,drive=n3,physical_block_size=4096,logical_block_size=4096
    for n in 1 2 3; do
        has_pattern "$n" "$n" 6
    done
}

in_guest() {
    wait_for "test -b /dev/nvme0n3"
    for n in 1 2 3; do
        test "$(blockdev --getsize64 "/dev/nvme0n$n")" = $((n * 8388608))
        put_pattern "$n" "/dev/nvme0n$n" 6
    done
    test "$(cat /sys/block/nvme0n3/nsid)" = 7
    test "$(cat /sys/block/nvme0n3/queue/logical_block_size)" = 4096
    test "$(cat /sys/block/nvme0n2/queue/logical_block_size)" = 512
    for n in 1 2 3; do
        has_pattern "$n" "/dev/nvme0n$n" 6
    done
}
