#!/bin/sh
# A persistent bitmap records writes, survives a merge and a rebuild, and is exported over NBD.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io", "qemu-nbd"]
#: groups = ["block", "nbd"]

# dirty BITMAP: the ranges that it marks, as `start length`.
dirty() {
    rm -f nbd.pid
    "$QEMU_NBD" --read-only --persistent --fork --pid-file=nbd.pid --socket="$SCRATCH/nbd.sock" --format=qcow2 --bitmap="$1" disk.qcow2
    # The client reports what the bitmap marks as a range without data.
    options="driver=nbd,server.type=unix,server.path=$SCRATCH/nbd.sock,x-dirty-bitmap=qemu:dirty-bitmap:$1"
    "$QEMU_IMG" map --output=json --image-opts "$options" > map.json
    kill "$(cat nbd.pid)"
    wait_for '! test -e nbd.sock'
    sed -n 's/.*"start": \([0-9]*\), "length": \([0-9]*\),.*"data": false.*/\1 \2/p' map.json
}

in_host() {
    "$QEMU_IMG" create -q -f qcow2 disk.qcow2 4M
    "$QEMU_IMG" bitmap --add -g 64k disk.qcow2 first
    "$QEMU_IO" -f qcow2 -c 'write -q -P 1 1M 128k' disk.qcow2
    "$QEMU_IMG" bitmap --disable disk.qcow2 first
    "$QEMU_IMG" bitmap --add -g 64k disk.qcow2 second
    "$QEMU_IO" -f qcow2 -c 'write -q -P 2 3M 512' disk.qcow2
    test "$(dirty first)" = "1048576 131072"
    test "$(dirty second)" = "3145728 65536"

    "$QEMU_IMG" bitmap --merge second disk.qcow2 first
    test "$(dirty first)" = "1048576 131072
3145728 65536"
    "$QEMU_IMG" bitmap --clear disk.qcow2 second
    test -z "$(dirty second)"

    # A copy has the bitmaps if they are asked for.
    "$QEMU_IMG" convert -f qcow2 -O qcow2 --bitmaps disk.qcow2 copy.qcow2
    mv copy.qcow2 disk.qcow2
    test "$(dirty first)" = "1048576 131072
3145728 65536"

    "$QEMU_IMG" bitmap --remove disk.qcow2 first
    ! "$QEMU_IMG" bitmap --clear disk.qcow2 first 2> refused || fail "a removed bitmap is cleared"
    grep -q "bitmap 'first' not found" refused || grep -q "Dirty bitmap 'first' not found" refused
    "$QEMU_IMG" check -q -f qcow2 disk.qcow2
}
