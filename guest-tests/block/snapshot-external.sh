#!/bin/sh
# A snapshot of two disks at one moment: what comes later is in the overlays; one that cannot be made changes nothing.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    for disk in a b; do
        truncate -s 16M "$disk"
        set -- "$@" -blockdev "driver=raw,node-name=$disk,file.driver=file,file.filename=$disk" \
            -device "virtio-blk-pci,drive=$disk"
    done
    qemu "$@"
    has_pattern 1 a 2
    has_pattern 2 b 2
    for disk in a b; do
        qemu-img check "$disk.later"
        # The base as it is named in the overlay, and no other one.
        qemu-img convert -O raw "$disk.later" raw
        has_pattern "$(echo $disk | tr ab 34)" raw 2
        has_pattern 5 raw 7
        test "$(dd if=$disk bs=1M skip=7 count=1 | tr -d '\0' | wc -c)" = 0
    done
}

in_guest() {
    put_pattern 1 /dev/vda 2
    put_pattern 2 /dev/vdb 2
    if qmp - <<'JSON'
{"execute": "transaction", "arguments": {"actions": [
    {"type": "blockdev-snapshot-sync", "data": {"node-name": "a", "snapshot-file": "lost", "snapshot-node-name": "lost"}},
    {"type": "blockdev-snapshot-sync", "data": {"node-name": "b", "snapshot-file": "no-such-directory/file"}}]}}
JSON
    then
        fail "a snapshot was made in no directory"
    fi
    qmp query-block | grep -v '"node-name":"lost"'
    qmp - <<'JSON'
{"execute": "transaction", "arguments": {"actions": [
    {"type": "blockdev-snapshot-sync", "data": {"node-name": "a", "snapshot-file": "a.later", "snapshot-node-name": "a1"}},
    {"type": "blockdev-snapshot-sync", "data": {"node-name": "b", "snapshot-file": "b.later", "snapshot-node-name": "b1"}}]}}
JSON
    put_pattern 3 /dev/vda 2
    put_pattern 4 /dev/vdb 2
    put_pattern 5 /dev/vda 7
    put_pattern 5 /dev/vdb 7
    has_pattern 3 /dev/vda 2
    has_pattern 4 /dev/vdb 2
}
