#!/bin/sh
# `qemu-storage-daemon` exports block nodes over NBD, and QMP adds and removes exports while it runs.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io", "qemu-storage-daemon"]
#: requires.tools = ["python3"]
#: groups = ["block", "nbd"]

# ask COMMAND [ARGUMENTS]: sends a QMP command to the daemon, and prints what it returns.
ask() {
    python3 - "$SCRATCH/qmp.sock" "$@" << 'END'
import json, socket, sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.settimeout(30)
    connection.connect(sys.argv[1])
    stream = connection.makefile("rw")
    arguments = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    for command in [{"execute": "qmp_capabilities"}, {"execute": sys.argv[2], "arguments": arguments}]:
        stream.write(json.dumps(command) + "\n")
        stream.flush()
        while True:
            answer = json.loads(stream.readline())
            if "error" in answer:
                sys.exit(answer["error"]["desc"])
            if "return" in answer:
                break
    print(json.dumps(answer["return"]))
END
}

in_host() {
    "$QEMU_IMG" create -q -f qcow2 disk.qcow2 8M
    "$QEMU_STORAGE_DAEMON" --pidfile daemon.pid \
        --chardev "socket,id=qmp,path=$SCRATCH/qmp.sock,server=on,wait=off" --monitor chardev=qmp \
        --blockdev driver=file,node-name=file,filename=disk.qcow2 \
        --blockdev driver=qcow2,node-name=disk,file=file \
        --nbd-server "addr.type=unix,addr.path=$SCRATCH/nbd.sock" \
        --export type=nbd,id=one,node-name=disk,name=one,writable=on &
    daemon=$!
    wait_for 'test -e daemon.pid'
    one="nbd+unix:///one?socket=$SCRATCH/nbd.sock"
    "$QEMU_IO" -f raw -c 'write -q -P 0x42 1M 1M' "$one"

    ask block-export-add '{"type": "nbd", "id": "two", "node-name": "disk", "name": "two"}'
    two="nbd+unix:///two?socket=$SCRATCH/nbd.sock"
    "$QEMU_IO" -r -f raw -c 'read -q -P 0x42 1M 1M' -c 'read -q -P 0 2M 6M' "$two"
    ! "$QEMU_IO" -f raw -c 'write -q 0 512' "$two" > refused 2>&1 || fail "it writes to an export that is not writable"
    ask query-block-exports > exports
    grep -q '"id": "one"' exports
    grep -q '"id": "two"' exports

    ask block-export-del '{"id": "two"}'
    wait_for '! exports_two'
    ! "$QEMU_IO" -r -f raw -c 'read -q 0 512' "$two" > refused 2>&1 || fail "a removed export still answers"
    ! ask blockdev-del '{"node-name": "disk"}' 2> refused || fail "a node in use is removed"
    ask quit
    wait "$daemon"
    "$QEMU_IMG" check -q -f qcow2 disk.qcow2
    "$QEMU_IO" -r -f qcow2 -c 'read -q -P 0x42 1M 1M' disk.qcow2
}

exports_two() {
    ask query-block-exports | grep -q '"id": "two"'
}
