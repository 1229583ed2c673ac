#!/bin/sh
# A disk that another process serves by vhost-user is read and written, and what was written is in its file.
#: groups = ["virtio"]
#: requires.devices = ["vhost-user-blk-pci"]
#: requires.tools = ["qemu-storage-daemon"]

in_host() {
    truncate -s 16M "$SCRATCH/disk"
    put_pattern 1 "$SCRATCH/disk" 2
    qemu-storage-daemon --blockdev driver=file,node-name=disk,filename="$SCRATCH/disk" \
        --export type=vhost-user-blk,id=e0,node-name=disk,writable=on,addr.type=unix,addr.path="$SCRATCH/socket" &
    wait_for "test -S $SCRATCH/socket"
    # Both processes see the guest's memory.
    qemu -object memory-backend-memfd,id=memory,size=256M,share=on -machine memory-backend=memory \
        -chardev socket,id=disk,path="$SCRATCH/socket" -device vhost-user-blk-pci,chardev=disk
    has_pattern 2 "$SCRATCH/disk" 8
}

in_guest() {
    wait_for "true < /dev/vda"
    test "$(blockdev --getsize64 /dev/vda)" = $((16 << 20))
    has_pattern 1 /dev/vda 2
    put_pattern 2 /dev/vda 8
    has_pattern 2 /dev/vda 8
}
