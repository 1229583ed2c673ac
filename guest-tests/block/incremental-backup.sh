#!/bin/sh
# An incremental backup by a dirty bitmap has what changed since the full one, nothing else, and on top of it the whole disk.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    truncate -s 32M disk
    put_pattern 1 disk 0
    put_pattern 2 disk 8
    qemu-img create -q -f qcow2 full 32M
    qemu-img create -q -f qcow2 increment 32M
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename=disk \
        -blockdev driver=qcow2,node-name=full,file.driver=file,file.filename=full \
        -blockdev driver=qcow2,node-name=increment,file.driver=file,file.filename=increment \
        -device virtio-blk-pci,drive=disk
    # Eight clusters of 64 KiB for half a mebibyte, and one for the sector.
    test "$(qemu-img check increment | sed -n 's|^\([0-9]*\)/512 = .*|\1|p')" = 9
    qemu-img rebase -u -b full -F qcow2 increment
    qemu-img compare -f raw -F qcow2 disk increment
    has_pattern 3 disk 8
}

in_guest() {
    qmp - <<'JSON'
{"execute": "transaction", "arguments": {"actions": [
    {"type": "block-dirty-bitmap-add", "data": {"node": "disk", "name": "changes"}},
    {"type": "blockdev-backup", "data": {"job-id": "full", "device": "disk", "target": "full", "sync": "full"}}]}}
JSON
    qmp_wait BLOCK_JOB_COMPLETED device=full | grep -v error
    put_pattern 3 /dev/vda 8
    echo changed | dd of=/dev/vda bs=512 seek=40000 conv=fsync,sync
    qmp blockdev-backup job-id=increment device=disk target=increment sync=incremental bitmap=changes
    qmp_wait BLOCK_JOB_COMPLETED device=increment | grep -v error
    qmp query-named-block-nodes | grep '"count":0,[^}]*"name":"changes"'
    qmp blockdev-del node-name=full
    qmp blockdev-del node-name=increment
}
