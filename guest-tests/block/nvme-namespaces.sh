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
    for nsid in 1 2 7; do
        wait_for "grep -x $nsid /sys/block/nvme[0-9]n*/nsid"
    done
    first=$(namespace 1) second=$(namespace 2) third=$(namespace 7)
    n=0
    for disk in $first $second $third; do
        n=$((n + 1))
        test "$(blockdev --getsize64 "/dev/$disk")" = $((n * 8388608))
        put_pattern "$n" "/dev/$disk" 6
    done
    test "$(cat "/sys/block/$third/queue/logical_block_size")" = 4096
    test "$(cat "/sys/block/$second/queue/logical_block_size")" = 512
    has_pattern 1 "/dev/$first" 6
    has_pattern 2 "/dev/$second" 6
    has_pattern 3 "/dev/$third" 6
}

# Its disk: the kernel numbers them in the order in which it finds them.
namespace() {
    basename "$(dirname "$(grep -lx "$1" /sys/block/nvme[0-9]n*/nsid)")"
}
