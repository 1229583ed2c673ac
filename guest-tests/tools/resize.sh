#!/bin/sh
# A disk grows with zeroes at its end, and shrinks only on request.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io"]
#: groups = ["block"]

# size IMAGE: its virtual size in bytes.
size() {
    "$QEMU_IMG" info --output=json -f "$format" "$1" | sed -n 's/^    "virtual-size": \([0-9]*\),*$/\1/p'
}

in_host() {
    format=$(choose format raw qcow2)
    "$QEMU_IMG" create -q -f "$format" disk 2M
    "$QEMU_IO" -f "$format" -c 'write -q -P 7 0 2M' disk
    "$QEMU_IMG" resize -q -f "$format" disk +1M
    test "$(size disk)" = 3145728
    "$QEMU_IO" -f "$format" -c 'read -q -P 7 0 2M' -c 'read -q -P 0 2M 1M' disk

    ! "$QEMU_IMG" resize -q -f "$format" disk 1M 2> refused || fail "it shrinks without --shrink"
    grep -q -e --shrink refused
    test "$(size disk)" = 3145728
    "$QEMU_IMG" resize -q --shrink -f "$format" disk 1M
    test "$(size disk)" = 1048576

    # What was cut off does not come back.
    "$QEMU_IMG" resize -q -f "$format" disk 2M
    "$QEMU_IO" -f "$format" -c 'read -q -P 7 0 1M' -c 'read -q -P 0 1M 1M' disk
}
