#!/bin/sh
# `qemu-nbd` exports an image to several clients, read-only or not, and refuses an unknown export.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io", "qemu-nbd"]
#: groups = ["block", "nbd"]

# export_as NAME [OPTION]…: starts the server, and waits until it listens.
export_as() {
    export=$1
    shift
    rm -f nbd.pid
    "$QEMU_NBD" --persistent --shared=4 --fork --pid-file=nbd.pid --socket="$SCRATCH/nbd.sock" \
        --export-name="$export" --format=qcow2 "$@" disk.qcow2
}

stop_export() {
    kill "$(cat nbd.pid)"
    wait_for '! test -e nbd.sock'
}

in_host() {
    "$QEMU_IMG" create -q -f qcow2 disk.qcow2 16M
    uri="nbd+unix:///disk?socket=$SCRATCH/nbd.sock"
    export_as disk
    "$QEMU_IO" -f raw -c 'write -q -P 0x33 1M 256k' "$uri"
    "$QEMU_IMG" info -f raw "$uri" | grep -q '16777216 bytes'
    "$QEMU_IO" -r -f raw -c 'read -q -P 0x33 1M 256k' -c 'read -q -P 0 0 1M' "$uri"
    # Both clients write to the same disk.
    "$QEMU_IO" -f raw -c 'write -q -P 1 4M 4M' "$uri" &
    first=$!
    "$QEMU_IO" -f raw -c 'write -q -P 2 8M 4M' "$uri"
    wait "$first"
    other="nbd+unix:///other?socket=$SCRATCH/nbd.sock"
    ! "$QEMU_IO" -r -f raw -c 'read -q 0 512' "$other" > refused 2>&1 || fail "an unknown export answers"
    grep -q "export 'other' not present" refused
    stop_export

    export_as disk --read-only
    ! "$QEMU_IO" -f raw -c 'write -q -P 4 0 512' "$uri" > refused 2>&1 || fail "it writes to a read-only export"
    "$QEMU_IO" -r -f raw -c 'read -q -P 1 4M 4M' -c 'read -q -P 2 8M 4M' "$uri"
    stop_export
    "$QEMU_IMG" check -q -f qcow2 disk.qcow2
}
