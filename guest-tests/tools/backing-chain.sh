#!/bin/sh
# An image reads through a chain of backing files, `map` shows which file has what, and `commit` merges one into the next.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io"]
#: groups = ["block"]

in_host() {
    "$QEMU_IMG" create -q -f qcow2 base.qcow2 4M
    "$QEMU_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 middle.qcow2
    # The size of the top is its own.
    "$QEMU_IMG" create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2 6M
    "$QEMU_IO" -f qcow2 -c 'write -q -P 1 0 3M' base.qcow2
    "$QEMU_IO" -f qcow2 -c 'write -q -P 2 1M 1M' middle.qcow2
    "$QEMU_IO" -f qcow2 -c 'write -q -P 3 1536k 64k' top.qcow2
    "$QEMU_IMG" info --backing-chain top.qcow2 | grep '^image: '
    "$QEMU_IMG" map top.qcow2 | awk '{ print $1, $2, $NF }'

    reads='-c "read -q -P 1 0 1M" -c "read -q -P 2 1M 512k" -c "read -q -P 3 1536k 64k" -c "read -q -P 1 2M 1M" -c "read -q -P 0 3M 3M"'
    eval "\"\$QEMU_IO\" -r -f qcow2 $reads top.qcow2"
    "$QEMU_IMG" commit -q -f qcow2 top.qcow2
    eval "\"\$QEMU_IO\" -r -f qcow2 $reads middle.qcow2"
    # `-b` skips a file of the chain, and the base grows to the size of what is merged.
    "$QEMU_IMG" commit -q -f qcow2 -b base.qcow2 middle.qcow2
    eval "\"\$QEMU_IO\" -r -f qcow2 $reads base.qcow2"
    "$QEMU_IMG" check -q -f qcow2 base.qcow2

    # A chain whose end is missing is refused, with the name of the file.
    rm base.qcow2
    ! "$QEMU_IO" -r -f qcow2 -c 'read -q 0 512' top.qcow2 > refused 2>&1 || fail "a chain without its base is read"
    grep -q "base.qcow2" refused
}
