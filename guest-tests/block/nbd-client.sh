#!/bin/sh
# A guest's disk is an NBD export; its server is killed and restarted, and the guest continues without an error.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-nbd"]

in_host() {
    cd "$SCRATCH"
    truncate -s 16M disk
    put_pattern 1 disk 4
    serve_disk
    qemu -blockdev "driver=nbd,node-name=disk,server.type=unix,server.path=$SCRATCH/socket,reconnect-delay=30" \
        -device virtio-blk-pci,drive=disk &
    guest=$!
    wait_for 'has_pattern 2 disk 8'
    kill -KILL "$server"
    wait "$server" || true
    rm socket
    # The guest can see this only through the new server.
    put_pattern 4 disk 14
    serve_disk
    wait "$guest"
    kill "$server"
    has_pattern 3 disk 12
}

serve_disk() {
    qemu-nbd -f raw -k "$SCRATCH/socket" -t disk &
    server=$!
    wait_for 'test -S socket'
}

in_guest() {
    has_pattern 1 /dev/vda 4
    put_pattern 2 /dev/vda 8
    until has_pattern 4 /dev/vda 14; do
        put_pattern 5 /dev/vda 10
    done
    put_pattern 3 /dev/vda 12
    has_pattern 2 /dev/vda 8
    has_pattern 3 /dev/vda 12
}
