#!/bin/sh
# A rebase to another backing file keeps the content of the image, and an unsafe one changes only the name.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io"]
#: groups = ["block"]

# holds IMAGE VALUE OFFSET LENGTH: whether the image has this byte there.
holds() {
    "$QEMU_IO" -r -f qcow2 -c "read -q -P $2 $3 $4" "$1" > /dev/null 2>&1
}

in_host() {
    "$QEMU_IMG" create -q -f qcow2 base.qcow2 4M
    "$QEMU_IMG" create -q -f qcow2 other.qcow2 4M
    "$QEMU_IO" -f qcow2 -c 'write -q -P 1 0 2M' base.qcow2
    "$QEMU_IO" -f qcow2 -c 'write -q -P 2 0 1M' other.qcow2
    "$QEMU_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
    "$QEMU_IO" -f qcow2 -c 'write -q -P 3 512k 64k' top.qcow2

    "$QEMU_IMG" rebase -f qcow2 -b other.qcow2 -F qcow2 top.qcow2
    "$QEMU_IMG" info top.qcow2 | grep -q '^backing file: other.qcow2'
    holds top.qcow2 1 0 512k
    holds top.qcow2 3 512k 64k
    holds top.qcow2 1 1M 1M
    holds top.qcow2 0 2M 2M

    "$QEMU_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 unsafe.qcow2
    "$QEMU_IMG" rebase -u -f qcow2 -b other.qcow2 -F qcow2 unsafe.qcow2
    holds unsafe.qcow2 2 0 1M
    ! holds unsafe.qcow2 1 0 1M || fail "an unsafe rebase copies content"

    # Without a backing file the image has everything itself.
    "$QEMU_IMG" rebase -f qcow2 -b '' top.qcow2
    rm base.qcow2 other.qcow2
    holds top.qcow2 1 0 512k
    holds top.qcow2 3 512k 64k
    "$QEMU_IMG" check -q -f qcow2 top.qcow2
}
