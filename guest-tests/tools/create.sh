#!/bin/sh
# Each format gives a new image the size that was asked for, and zeroes as its content.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io"]
#: groups = ["block"]

in_host() {
    format=$(choose format raw qcow2 qed vdi vmdk vpc vhdx parallels)
    "$QEMU_IMG" create -q -f "$format" disk 8M || skip "this qemu-img does not write $format"
    "$QEMU_IMG" info --output=json -f "$format" disk > info.json
    grep -q "^    \"format\": \"$format\"" info.json
    size=$(sed -n 's/^    "virtual-size": \([0-9]*\),*$/\1/p' info.json)
    # A vpc image is a whole number of cylinders.
    if test "$format" = vpc; then
        test "$size" -ge 8388608 && test "$size" -lt 9437184
    else
        test "$size" = 8388608
    fi
    "$QEMU_IO" -f "$format" -c 'read -q -P 0 0 8M' -c 'write -q -P 7 1M 64k' -c 'read -q -P 7 1M 64k' disk
    # It is the format's own probe that finds it again, except for raw, which anything is.
    "$QEMU_IMG" info disk 2> /dev/null | grep -q "^file format: $format$" || test "$format" = vpc
    # An image of another format is refused.
    ! "$QEMU_IMG" info -f bochs disk 2> refused || fail "a $format image is opened as bochs"
    grep -q "format" refused
}
